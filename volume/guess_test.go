package volume

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mcfs/crypt"
)

// How programs open a file that they make.
const (
	truncating = os.O_WRONLY | os.O_CREATE | os.O_TRUNC           // fopen "w"
	updating   = os.O_RDWR | os.O_CREATE                          // sqlite3_open
	mkstemped  = os.O_RDWR | os.O_CREATE | os.O_EXCL              // mkstemp(3), with 0600
	copying    = os.O_WRONLY | os.O_CREATE | os.O_EXCL            // cp, tar
	sharing    = os.O_RDWR | os.O_CREATE | os.O_TRUNC | os.O_EXCL // smbd
	unnamed    = syscall.O_DIRECTORY | os.O_RDWR                  // O_TMPFILE, and then linkat
)

// temporaries are the names that programs use in passing: as they open them, and
// whether a rename to the final name is how they end.
var temporaries = []struct {
	program string
	name    string
	flags   int
	mode    uint32
	renamed bool
	beside  string // what stands there already
	want    place
}{
	{"rsync", ".movie.mp4.A1b2C3", mkstemped, 0o600, true, "", waits},
	{"rsync, a suffix like an extension", ".movie.mp4.abcdef", mkstemped, 0o600, true, "", waits},
	{"rsync, no extension", ".README.qwXrtz", mkstemped, 0o600, true, "", waits},
	{"rsync --partial-dir", ".rsync-partial/movie.mp4", mkstemped, 0o600, true, "", stays},
	{"rsync --delay-updates", ".~tmp~/movie.mp4", truncating, 0o644, true, "", stays},
	{"GLib, g_file_set_contents", "notes.txt.X2Y4Z6", mkstemped, 0o666, true, "", waits},
	{"GLib, no digit", "notes.txt.QWERTZ", mkstemped, 0o666, true, "", waits},
	{"GLib, over a file without an extension", "Makefile.QWERTZ", mkstemped, 0o600, true, "Makefile", waits},
	{"GIO, g_file_replace", ".goutputstream-A1B2C3", mkstemped, 0o600, true, "", stays},
	{"Qt, QSaveFile", "project.kdenlive.bXcDeF", mkstemped, 0o600, true, "", waits},
	{"Qt, QSaveFile without a name", "project.txt.bXcDeF", unnamed, 0o600, true, "", waits},
	{"Kate's swap file", ".notes.txt.kate-swp", updating, 0o600, false, "", stays},
	{"vim's swap file", ".notes.txt.swp", mkstemped, 0o600, false, "", stays},
	{"vim's trial", "4913", copying, 0o644, false, "", waits},
	{"vim's backup", "notes.txt~", copying, 0o644, false, "notes.txt", waits},
	{"Emacs's lock", ".#notes.txt", truncating, 0o644, false, "", stays},
	{"Emacs's auto-save", "#notes.txt#", truncating, 0o644, false, "", stays},
	{"nano's lock", ".notes.txt.swp", copying, 0o666, false, "", stays},
	{"cp --backup=numbered", "notes.txt.~1~", copying, 0o644, false, "notes.txt", waits},
	{"LibreOffice's lock", ".~lock.cut.odt#", mkstemped, 0o644, false, "", stays},
	{"LibreOffice", "lu1234abcd.tmp", mkstemped, 0o600, true, "", waits},
	{"Word's owner file", "~$report.docx", truncating, 0o644, false, "", stays},
	{"Word", "~WRD0001.tmp", truncating, 0o644, true, "", waits},
	{"git's index", ".git/index.lock", copying, 0o666, true, "", stays},
	{"git's objects", ".git/objects/78/tmp_obj_QcfF5m", mkstemped, 0o444, true, "", stays},
	{"git's packs", ".git/objects/pack/.tmp-123-pack-abc.pack", truncating, 0o444, true, "", stays},
	{"git, bare", "bare.git/HEAD.lock", copying, 0o666, true, "", stays},
	{"sed -i", "sedAbCdEf", mkstemped, 0o600, true, "", waits},
	{"zip", "ziAbCdEf", mkstemped, 0o600, true, "", waits},
	{"ar, strip", "stAbCdEf", mkstemped, 0o600, true, "", waits},
	{"perl -i", "XXq1W2e3", mkstemped, 0o600, true, "", waits},
	{"patch", "main.c.oAbCdEf", mkstemped, 0o600, true, "", waits},
	{"sort -o, GNU", "numbers.txt.AbC1eF", mkstemped, 0o600, true, "", waits},
	{"7z", "archive.7z.tmp", copying, 0o666, true, "", waits},
	{"ffmpeg's playlists", "live/list.m3u8.tmp", truncating, 0o666, true, "", waits},
	{"ffmpeg's segments", "live/seg1.m4s.tmp", truncating, 0o666, true, "", waits},
	{"ffmpeg's pass logs", "ffmpeg2pass-0.log.temp", truncating, 0o666, true, "", waits},
	{"restic", "data/ab/abcdef0123-tmp-123456789", mkstemped, 0o600, true, "", waits},
	{"Go, os.CreateTemp", "state.json.tmp-1849274839", mkstemped, 0o600, true, "", waits},
	{"borg", "hints.5-xqzwab.tmp", mkstemped, 0o600, true, "", waits},
	{"Python, tempfile", "tmpab1_cd2e", mkstemped, 0o600, true, "", waits},
	{"Python, NamedTemporaryFile with a suffix", "tmpab1_cd2e.mp4", mkstemped, 0o600, true, "", waits},
	{"yt-dlp", "clip.mp4.part", truncating, 0o666, true, "", waits},
	{"Firefox", "clip.mp4.part", mkstemped, 0o600, true, "", waits},
	{"lftp, wget2, HandBrake's queue", "clip.partial", truncating, 0o666, true, "", waits},
	{"WinSCP", "clip.mp4.filepart", truncating, 0o644, true, "", waits},
	{"Safari", "clip.mp4.download", truncating, 0o644, true, "", waits},
	{"Chrome", "clip.mp4.crdownload", truncating, 0o600, true, "", stays},
	{"Chrome, the first seconds", ".com.google.Chrome.aB3dE6", mkstemped, 0o600, true, "", waits},
	{"aria2's control file", "clip.mp4.aria2", truncating, 0o666, false, "clip.mp4", stays},
	{"aria2's next control file", "clip.mp4.aria2__temp", truncating, 0o666, true, "clip.mp4", stays},
	{"exiftool", "clip.mp4_exiftool_tmp", truncating, 0o666, true, "clip.mp4", stays},
	{"AtomicParsley", "clip-temp-4711.mp4", truncating, 0o666, true, "clip.mp4", waits},
	{"EasyTAG and the like", "clip.mkv.metadata_edit", truncating, 0o666, true, "", stays},
	{"VeraCrypt", "box.hc.vctemp", truncating, 0o600, true, "", stays},
	{"qpdf --replace-input", ".~qpdf-temp#.script.pdf", truncating, 0o666, true, "", stays},
	{"unison", ".unison.clip.mp4.0a1b2c.unison.tmp", copying, 0o600, true, "", stays},
	{"syncthing", ".syncthing.clip.mp4.tmp", updating, 0o666, true, "", stays},
	{"Blender", "scene.blend@", truncating, 0o666, true, "", stays},
	{"SQLite's journal", "cut.db-journal", updating, 0o644, false, "cut.db", waits},
	{"SQLite's log", "cut.db-wal", updating, 0o644, false, "cut.db", waits},
	{"SQLite's shared memory", "cut.db-shm", updating, 0o644, false, "cut.db", waits},
	{"npm", "package.json.tmp.1234567890", copying, 0o666, true, "", waits},
	{"Apple's safe save", "scene.mov.sb-1234abcd-XyZ123", truncating, 0o644, true, "", waits},
	{"Finder", ".DS_Store", truncating, 0o644, false, "", stays},
	{"Finder's forks", "d/._clip.mov", truncating, 0o644, false, "", stays},
	{"a trash", ".Trash-1000/files/clip.mov", truncating, 0o644, false, "", stays},
	{"FUSE's removed files", ".fuse_hidden0000000100000001", truncating, 0o644, false, "", stays},

	{"a journal of a trip", "travel-journal", truncating, 0o644, false, "", leaves},
	{"beside something that is no database", "travel-journal", truncating, 0o644, false, "travel", leaves},
	{"a film", "sea-wal", truncating, 0o644, false, "sea", leaves},
	{"a name with a tilde", "ancora~", truncating, 0o644, false, "", leaves},
	{"a film with a number", "shot-temp-12.mp4", copying, 0o644, false, "", leaves},
	{"a file called 4913", "4913", truncating, 0o644, false, "", leaves},
	{"cp of a backup", ".bashrc.backup", copying, 0o600, false, "", leaves},
	{"a lock elsewhere", "index.lock", copying, 0o666, false, "", leaves},
	{"a long word", "sedentary", copying, 0o600, false, "", leaves},
	{"cp of a folder's file", "tmp_fotos_12", copying, 0o600, false, "", leaves},
	{"cp with a suffix that is none", "take.two.abcdef", copying, 0o600, false, "", leaves},
}

// openClues are what the volume knows of a row.
func openClues(flags int, mode uint32) clues {
	made := makingOf(flags, mode)
	if flags == unnamed {
		made = mkstemp
	}
	return clues{made: made}
}

// TestTemporaryNames: each program's file waits or stays, and nothing else does.
func TestTemporaryNames(t *testing.T) {
	programs := 0
	for _, c := range temporaries {
		seen := openClues(c.flags, c.mode)
		seen.database = strings.HasPrefix(c.beside, "cut.db")
		if c.want != leaves {
			programs++
		}
		if got := newJudge(t, nil).place(c.name, c.beside, seen); got != c.want {
			t.Errorf("%s: %s is %v, want %v", c.program, c.name, got, c.want)
		}
	}
	if programs < 40 {
		t.Errorf("%d programs", programs)
	}
}

// judge is what a volume knows of names.
type judge struct {
	patterns patterns
	guesses  []guess
}

func newJudge(t *testing.T, extra []string) judge {
	t.Helper()
	ps, err := newPatterns(extra)
	if err != nil {
		t.Fatal(err)
	}
	return judge{ps, newGuesses(extra)}
}

// place is that of a path beside which one file stands.
func (j judge) place(path, beside string, c clues) place {
	if j.patterns.match(path, c.made) {
		return stays
	}
	c.beside = func(name string) bool { return beside != "" && name == beside }
	if isGuessed(j.guesses, path[strings.LastIndexByte(path, '/')+1:], c) {
		return waits
	}
	return leaves
}

// extensions are those of what people keep: film, sound, pictures, office, code, archives.
const extensions = `
mp4 mov mxf mkv avi m4v mpg mpeg m2v m2ts mts ts m2t vob ogv webm wmv asf flv f4v 3gp 3g2 dv dif gxf lxf r3d braw ari arx arriraw crm rmf nev dng cine rdc
mjpeg mjp2 h264 h265 hevc av1 ivf y4m yuv prores dnxhd dnxhr cdng vc1 divx xvid rm rmvb amv nut mpv m1v mlv insv lrv lrf thm gifv mpegts
m3u8 mpd m4s vtt srt ass ssa stl scc ttml dfxp itt sub idx sbv smi imsc cap pac usf lrc
wav aif aiff aifc bwf rf64 w64 caf flac mp3 m4a aac ac3 eac3 ec3 dts thd opus ogg oga wma mid midi amr ape wv tta dsf dff mka
exr dpx cin tif tiff jpg jpeg jp2 j2k jpf jxl png gif bmp tga psd psb webp heic heif avif svg ai eps raw cr2 cr3 nef nrw arw orf rw2 raf pef srw 3fr iiq hdr pic sgi ico xcf kra ora
prproj aep aepx aet fcpxml fcpxmld fcpbundle drp drt dra avb avp aaf omf edl ale otio xml sesx ptx pts logicx als cpr rpp aup aup3 ardour kdenlive mlt osp veg vpr imovieproj camproj nk nknc hrox hip hipnc hiplc
blend blend1 blend2 ma mb c4d max fbx obj abc usd usda usdc usdz gltf glb stl ply 3ds dae skp lwo zpr ztl sbs sbsar spp vdb bgeo cube 3dl csp look lut cdl cc ccc clf icc dctl
doc docx docm dot dotx odt ott rtf pdf txt md tex xls xlsx xlsm xlsb ods csv tsv ppt pptx pptm pps odp key pages numbers vsd vsdx pub one mdb accdb odb epub mobi djvu ps fdx fountain celtx
sqlite sqlite3 db db3 config conf ini toml yaml yml json jsonl plist backup bak old orig log lock
go c h cc cpp hpp cs java kt py pyc ipynb js mjs tsx jsx css scss html htm php rb pl sh bat ps1 lua rs swift m mm r jl sql vue dart scala groovy gradle csproj fsproj vbproj vcproj xcconf tf tfvars proto thrift cmake make drawio sketch fig xd indd idml prefab shader uasset target script schema
zip tar gz tgz bz2 xz zst 7z rar iso img dmg vmdk qcow2 vhdx deb rpm apk jar war whl gpg asc pem crt pfx torrent sha256 sha512 md5 mhl sfv par2 webloc url lnk ttf otf woff2 keynote pickle parquet
`

// TestExtensionsAreNotTemporary: no finished file is taken for a temporary one by its
// extension, whoever makes it, and however: with O_EXCL for its owner alone, too, as with
// umask 077 and by Samba with "create mask = 0700".
func TestExtensionsAreNotTemporary(t *testing.T) {
	all := strings.Fields(extensions)
	slices.Sort(all)
	if all = slices.Compact(all); len(all) < 200 {
		t.Errorf("%d extensions", len(all))
	}
	bases := []string{"clip", "A001_C003", "cut.final", "take.v10"}
	j := newJudge(t, nil)
	for _, ext := range all {
		for _, suffix := range []string{ext, strings.ToUpper(ext), strings.ToUpper(ext[:1]) + ext[1:]} {
			for _, base := range bases {
				for _, flags := range []int{truncating, updating, mkstemped, copying, sharing} {
					for _, mode := range []uint32{0o644, 0o600} {
						if got := j.place(base+"."+suffix, base, openClues(flags, mode)); got != leaves {
							t.Fatalf("%s.%s, flags %#x, mode %#o, is %v", base, suffix, flags, mode, got)
						}
					}
				}
			}
		}
	}
}

// TestGuessTakenOut: "!pattern" takes a guess away, and a pattern of the user's makes it last.
func TestGuessTakenOut(t *testing.T) {
	if got := newJudge(t, []string{"!*.part"}).place("clip.part", "", clues{made: named}); got != leaves {
		t.Errorf("taken out: %v", got)
	}
	if got := newJudge(t, []string{"*.part"}).place("clip.part", "", clues{made: named}); got != stays {
		t.Errorf("made to last: %v", got)
	}
}

// TestFoldersAreNeverTemporary: what is in them leaves, whatever they are called.
func TestFoldersAreNeverTemporary(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.close()
	r.o.LocalOnly = nil
	r.open("spool-2")
	for _, d := range []string{"travel-journal", "sea-wal", "ancora~", "day.part", "cards.tmp", "x.crdownload", "y.aria2", "tmpab1_cd2e"} {
		r.mkdir(d)
		r.save(d+"/day1.mp4", []byte(d))
		if !slices.Contains(r.objects(), d+"/day1.mp4") {
			t.Errorf("%s/day1.mp4 is not in the store", d)
		}
	}
	r.truthful()
}
