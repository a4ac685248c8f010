package naming

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
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
	want    Class
}{
	{"rsync", ".movie.mp4.A1b2C3", mkstemped, 0o600, true, "", Temporary},
	{"rsync, a suffix like an extension", ".movie.mp4.abcdef", mkstemped, 0o600, true, "", Temporary},
	{"rsync, no extension", ".README.qwXrtz", mkstemped, 0o600, true, "", Temporary},
	{"rsync --partial-dir", ".rsync-partial/movie.mp4", mkstemped, 0o600, true, "", LocalOnly},
	{"rsync --delay-updates", ".~tmp~/movie.mp4", truncating, 0o644, true, "", LocalOnly},
	{"GLib, g_file_set_contents", "notes.txt.X2Y4Z6", mkstemped, 0o666, true, "", Temporary},
	{"GLib, no digit", "notes.txt.QWERTZ", mkstemped, 0o666, true, "", Temporary},
	{"GLib, over a file without an extension", "Makefile.QWERTZ", mkstemped, 0o600, true, "Makefile", Temporary},
	{"GLib, a name without an extension", "Makefile.L1E5Y3", mkstemped, 0o666, true, "", Temporary},
	{"GLib, no digit, a name without an extension", "Makefile.QWERTZ", mkstemped, 0o666, true, "", Temporary},
	{"GLib, a name in capitals", "README.QWERTZ", mkstemped, 0o666, true, "", Temporary},
	{"GLib, for its owner alone, a name in capitals", "README.QWERTZ", mkstemped, 0o600, true, "", Temporary},
	{"libzip, a new archive", "a.zip.8d5hvj", mkstemped, 0o666, true, "", Temporary},
	{"libzip, a new archive, no digit", "a.zip.gyrigq", mkstemped, 0o666, true, "", Temporary},
	{"libzip, a new archive, a suffix like a part's", "a.zip.part01", mkstemped, 0o666, true, "", Temporary},
	{"libzip", "a.zip.yawdk6", mkstemped, 0o644, true, "a.zip", Temporary},
	{"libzip, no digit", "a.zip.gyrigq", mkstemped, 0o644, true, "a.zip", Temporary},
	{"libzip's trial", "a.zip.fKUjTP", mkstemped, 0o600, false, "a.zip", Temporary},
	{"GIO, g_file_replace", ".goutputstream-A1B2C3", mkstemped, 0o600, true, "", LocalOnly},
	{"Qt, QSaveFile", "project.kdenlive.bXcDeF", mkstemped, 0o600, true, "", Temporary},
	{"Qt, QSaveFile without a name", "project.txt.bXcDeF", unnamed, 0o600, true, "", Temporary},
	{"Kate's swap file", ".notes.txt.kate-swp", updating, 0o600, false, "", LocalOnly},
	{"vim's swap file", ".notes.txt.swp", mkstemped, 0o600, false, "", LocalOnly},
	{"vim's trial", "4913", copying, 0o644, false, "", Temporary},
	{"vim's backup", "notes.txt~", copying, 0o644, false, "notes.txt", Temporary},
	{"Emacs's lock", ".#notes.txt", truncating, 0o644, false, "", LocalOnly},
	{"Emacs's auto-save", "#notes.txt#", truncating, 0o644, false, "", LocalOnly},
	{"nano's lock", ".notes.txt.swp", copying, 0o666, false, "", LocalOnly},
	{"cp --backup=numbered", "notes.txt.~1~", copying, 0o644, false, "notes.txt", Temporary},
	{"LibreOffice's lock", ".~lock.cut.odt#", mkstemped, 0o644, false, "", LocalOnly},
	{"LibreOffice", "lu1234abcd.tmp", mkstemped, 0o600, true, "", Temporary},
	{"Word's owner file", "~$report.docx", truncating, 0o644, false, "", LocalOnly},
	{"Word", "~WRD0001.tmp", truncating, 0o644, true, "", Temporary},
	{"git's index", ".git/index.lock", copying, 0o666, true, "", LocalOnly},
	{"git's objects", ".git/objects/78/tmp_obj_QcfF5m", mkstemped, 0o444, true, "", LocalOnly},
	{"git's packs", ".git/objects/pack/.tmp-123-pack-abc.pack", truncating, 0o444, true, "", LocalOnly},
	{"git, bare", "bare.git/HEAD.lock", copying, 0o666, true, "", LocalOnly},
	{"git's packed references", ".git/packed-refs.new", copying, 0o666, true, "", LocalOnly},
	{"sed -i", "sedAbCdEf", mkstemped, 0o600, true, "", Temporary},
	{"zip", "ziAbCdEf", mkstemped, 0o600, true, "", Temporary},
	{"ar, strip", "stAbCdEf", mkstemped, 0o600, true, "", Temporary},
	{"perl -i", "XXq1W2e3", mkstemped, 0o600, true, "", Temporary},
	{"patch", "main.c.oAbCdEf", copying, 0o644, true, "", Temporary},
	{"patch, a suffix like an extension", "notes.ojzyojb", copying, 0o644, true, "notes", Temporary},
	{"patch beside nothing", "notes.ojzyojb", copying, 0o644, true, "", Ordinary},
	{"sort -o, GNU", "numbers.txt.AbC1eF", mkstemped, 0o600, true, "", Temporary},
	{"7z", "archive.7z.tmp", copying, 0o666, true, "", Temporary},
	{"ffmpeg's playlists", "live/list.m3u8.tmp", truncating, 0o666, true, "", Temporary},
	{"ffmpeg's segments", "live/seg1.m4s.tmp", truncating, 0o666, true, "", Temporary},
	{"ffmpeg's pass logs", "ffmpeg2pass-0.log.temp", truncating, 0o666, true, "", Temporary},
	{"restic", "data/ab/abcdef0123-tmp-123456789", mkstemped, 0o600, true, "", Temporary},
	{"Go, os.CreateTemp", "state.json.tmp-1849274839", mkstemped, 0o600, true, "", Temporary},
	{"borg", "hints.5-xqzwab.tmp", mkstemped, 0o600, true, "", Temporary},
	{"Python, tempfile", "tmpab1_cd2e", mkstemped, 0o600, true, "", Temporary},
	{"Python, NamedTemporaryFile with a suffix", "tmpab1_cd2e.mp4", mkstemped, 0o600, true, "", Temporary},
	{"yt-dlp", "clip.mp4.part", truncating, 0o666, true, "", Temporary},
	{"Firefox", "clip.mp4.part", mkstemped, 0o600, true, "", Temporary},
	{"lftp, wget2, HandBrake's queue", "clip.partial", truncating, 0o666, true, "", Temporary},
	{"WinSCP", "clip.mp4.filepart", truncating, 0o644, true, "", Temporary},
	{"Safari", "clip.mp4.download", truncating, 0o644, true, "", Temporary},
	{"Chrome", "clip.mp4.crdownload", truncating, 0o600, true, "", LocalOnly},
	{"Chrome, the first seconds", ".com.google.Chrome.aB3dE6", mkstemped, 0o600, true, "", Temporary},
	{"Chrome, opened once more", ".com.google.Chrome.abcdef", truncating, 0o600, true, "", Temporary},
	{"Opera", "clip.mp4.opdownload", truncating, 0o600, true, "", LocalOnly},
	{"qBittorrent", "clip.mp4.!qB", updating, 0o666, true, "", LocalOnly},
	{"lftp's pget", "clip.mp4.lftp-pget-status", truncating, 0o666, false, "clip.mp4", LocalOnly},
	{"aria2's control file", "clip.mp4.aria2", truncating, 0o666, false, "clip.mp4", LocalOnly},
	{"aria2's next control file", "clip.mp4.aria2__temp", truncating, 0o666, true, "clip.mp4", LocalOnly},
	{"exiftool", "clip.mp4_exiftool_tmp", truncating, 0o666, true, "clip.mp4", LocalOnly},
	{"AtomicParsley", "clip-temp-4711.mp4", truncating, 0o666, true, "clip.mp4", Temporary},
	{"EasyTAG and the like", "clip.mkv.metadata_edit", truncating, 0o666, true, "", LocalOnly},
	{"VeraCrypt", "box.hc.vctemp", truncating, 0o600, true, "", LocalOnly},
	{"qpdf --replace-input", "script.pdf.~qpdf-temp#", truncating, 0o666, true, "script.pdf", LocalOnly},
	{"qpdf's copy of what it replaces", "script.pdf.~qpdf-orig#", truncating, 0o666, true, "", LocalOnly},
	{"qpdf's copy that it leaves", "script.pdf.~qpdf-orig", truncating, 0o666, false, "script.pdf", Ordinary},
	{"unison", ".unison.clip.mp4.0a1b2c.unison.tmp", copying, 0o600, true, "", LocalOnly},
	{"syncthing", ".syncthing.clip.mp4.tmp", updating, 0o666, true, "", LocalOnly},
	{"Blender", "scene.blend@", truncating, 0o666, true, "", LocalOnly},
	{"SQLite's journal", "cut.db-journal", updating, 0o644, false, "cut.db", Temporary},
	{"SQLite's log", "cut.db-wal", updating, 0o644, false, "cut.db", Temporary},
	{"SQLite's shared memory", "cut.db-shm", updating, 0o644, false, "cut.db", Temporary},
	{"axel's state file", "film.mp4.st", truncating, 0o666, false, "film.mp4", Temporary},
	{"npm", "package.json.tmp.1234567890", copying, 0o666, true, "", Temporary},
	{"npm, no digit", "package.json.tmp.abcdefghij", copying, 0o666, true, "", Temporary},
	{"a script, by its process", "list.txt.tmp.4711", truncating, 0o666, true, "", Temporary},
	{"Apple's safe save", "scene.mov.sb-1234abcd-XyZ123", truncating, 0o644, true, "", Temporary},
	{"Finder", ".DS_Store", truncating, 0o644, false, "", LocalOnly},
	{"Finder's forks", "d/._clip.mov", truncating, 0o644, false, "", LocalOnly},
	{"a trash", ".Trash-1000/files/clip.mov", truncating, 0o644, false, "", LocalOnly},
	{"FUSE's removed files", ".fuse_hidden0000000100000001", truncating, 0o644, false, "", LocalOnly},
	{"NFS's removed files", ".nfs000000000000abcd00000001", truncating, 0o644, false, "", LocalOnly},
	{"Spotlight", ".Spotlight-V100/Store-V2/store.db", updating, 0o600, false, "", LocalOnly},
	{"a trash of macOS", ".Trashes/501/clip.mov", truncating, 0o644, false, "", LocalOnly},
	{"macOS's events", ".fseventsd/0000000000000001", truncating, 0o600, false, "", LocalOnly},
	{"macOS's temporary folder", ".TemporaryItems/folders.501/clip.mov", truncating, 0o644, false, "", LocalOnly},

	{"a journal of a trip", "travel-journal", truncating, 0o644, false, "", Ordinary},
	{"beside something that is no database", "travel-journal", truncating, 0o644, false, "travel", Ordinary},
	{"beside what nobody writes", "plc.st", truncating, 0o666, false, "plc", Ordinary},
	{"a film", "sea-wal", truncating, 0o644, false, "sea", Ordinary},
	{"a name with a tilde", "ancora~", truncating, 0o644, false, "", Ordinary},
	{"a film with a number", "shot-temp-12.mp4", copying, 0o644, false, "", Ordinary},
	{"a file called 4913", "4913", truncating, 0o644, false, "", Ordinary},
	{"cp of a backup", ".bashrc.backup", copying, 0o600, false, "", Ordinary},
	{"a lock elsewhere", "index.lock", copying, 0o666, false, "", Ordinary},
	{"a long word", "sedentary", copying, 0o600, false, "", Ordinary},
	{"cp of a folder's file", "tmp_fotos_12", copying, 0o600, false, "", Ordinary},
	{"a part of a film, by a server", "film.mp4.part01", sharing, 0o744, false, "", Ordinary},
	{"a camera's names, by a server", "CLIP0001.ALEXAS", sharing, 0o744, false, "", Ordinary},
	{"a version, by a server", "film.take02", sharing, 0o744, false, "", Ordinary},
	{"capitals, by a server", "README.QWERTZ", sharing, 0o744, false, "", Ordinary},
	{"a part of an archive, by a server", "a.zip.part01", sharing, 0o744, false, "", Ordinary},
	{"a version of a name without extension", "film.take02", mkstemped, 0o666, false, "", Ordinary},
	{"cp with a word", "film.mp4.Edited", copying, 0o644, false, "film.mp4", Ordinary},
	{"cp with a month", "film.mp4.202611", copying, 0o644, false, "film.mp4", Ordinary},
	{"GLib, digits alone", "notes.txt.202611", mkstemped, 0o666, true, "", Temporary},
	{"cp beside what it copies", "film.mp4.edited", copying, 0o644, false, "film.mp4", Ordinary},
	{"cp with a suffix that is none", "take.two.abcdef", copying, 0o600, false, "", Ordinary},
}

// opened is the evidence of a row.
func opened(flags int, mode uint32) Evidence {
	created := CreationOf(flags, mode)
	if flags == unnamed {
		created = Mkstemp
	}
	return Evidence{Creation: created}
}

// TestTemporaryNames: each program's file is temporary or local-only, and nothing else is.
func TestTemporaryNames(t *testing.T) {
	programs := 0
	for _, c := range temporaries {
		seen := opened(c.flags, c.mode)
		seen.Database, seen.Written = strings.HasPrefix(c.beside, "cut.db"), c.beside == "film.mp4"
		if c.want != Ordinary {
			programs++
		}
		if got := classBeside(rules(t), c.name, c.beside, seen); got != c.want {
			t.Errorf("%s: %s is %v, want %v", c.program, c.name, got, c.want)
		}
	}
	if programs < 40 {
		t.Errorf("%d programs", programs)
	}
}

func rules(t *testing.T, extra ...string) *Rules {
	t.Helper()
	r, err := NewRules(extra)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// classBeside is the class of a path beside which one file stands.
func classBeside(r *Rules, path, beside string, e Evidence) Class {
	e.Beside = func(name string) bool { return beside != "" && name == beside }
	return r.ClassOf(path, e)
}

// extensions are those of what people keep: film, sound, pictures, office, code, archives.
const extensions = `
mp4 mov mxf mkv avi m4v mpg mpeg m2v m2ts mts ts m2t vob ogv webm wmv asf flv f4v 3gp 3g2 dv dif gxf lxf r3d braw ari arx arriraw crm rmf nev dng cine rdc
mjpeg mjp2 h264 h265 hevc av1 ivf y4m yuv prores dnxhd dnxhr cdng vc1 divx xvid rm rmvb amv nut mpv m1v mlv insv lrv lrf thm gifv mpegts
m3u8 mpd m4s vtt srt ass ssa stl scc ttml dfxp itt sub idx sbv smi imsc cap pac usf lrc
wav aif aiff aifc bwf rf64 w64 caf flac mp3 m4a aac ac3 eac3 ec3 dts thd opus ogg oga wma mid midi amr ape wv tta dsf dff mka
exr dpx cin tif tiff jpg jpeg jp2 j2k jpf jxl png gif bmp tga psd psb webp heic heif avif svg ai eps raw cr2 cr3 nef nrw arw orf rw2 raf pef srw 3fr iiq hdr pic sgi ico xcf kra ora
prproj aep aepx aet fcpxml fcpxmld fcpbundle drp drt dra avb avp aaf omf edl ale otio xml sesx ptx pts logicx als cpr rpp aup aup3 ardour kdenlive mlt osp veg vpr imovieproj camproj nk nknc hrox hip hipnc hiplc
blend blend1 blend2 blend3 ma mb c4d max fbx obj abc usd usda usdc usdz gltf glb stl ply 3ds dae skp lwo zpr ztl sbs sbsar spp vdb bgeo cube 3dl csp look lut cdl cc ccc clf icc dctl
doc docx docm dot dotx odt ott rtf pdf txt md tex xls xlsx xlsm xlsb ods csv tsv ppt pptx pptm pps odp key pages numbers vsd vsdx pub one mdb accdb odb epub mobi djvu ps fdx fountain celtx
sqlite sqlite3 db db3 config conf dotenv ini toml yaml yml json jsonl plist backup bak old orig log lock
go c h cc cpp hpp cs java kt py pyc ipynb js mjs tsx jsx css scss html htm php rb pl sh bat ps1 lua rs swift m mm r jl sql vue dart scala groovy gradle csproj fsproj vbproj vcproj xcconf tf tfvars proto thrift cmake make drawio sketch fig xd indd idml prefab shader uasset target script schema
zip tar gz tgz bz2 xz zst 7z rar iso img dmg vmdk qcow2 vhdx deb rpm apk jar war whl gpg asc pem crt pfx torrent sha256 sha512 md5 mhl sfv par2 webloc url lnk ttf otf woff2 keynote pickle parquet
sha224 sha384 blake2 blake3 md5sum pubkey keytab jinja2 sample source record report result status layout locale vector stream
output object master custom design camera images movies videos folder format public secret signed update static python matlab
number export import filter module bundle driver events system string onepkg onetoc laccdb mobile options outline objects
openvpn
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
	r := rules(t)
	for _, ext := range all {
		for _, suffix := range []string{ext, strings.ToUpper(ext), strings.ToUpper(ext[:1]) + ext[1:]} {
			for _, base := range bases {
				for _, flags := range []int{truncating, updating, mkstemped, copying, sharing} {
					for _, mode := range []uint32{0o644, 0o600} {
						if got := classBeside(r, base+"."+suffix, base, opened(flags, mode)); got != Ordinary {
							t.Fatalf("%s.%s, flags %#x, mode %#o, is %v", base, suffix, flags, mode, got)
						}
					}
				}
			}
		}
	}
}

// TestSuffixesOfChance: whatever six letters chance gives to libzip's first save of an archive, or
// to GLib's of a file, that is temporary.
func TestSuffixesOfChance(t *testing.T) {
	r, chance := rules(t), rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ base, letters string }{
		{"a.zip", "0123456789abcdefghijklmnopqrstuvwxyz"},
		{"notes.txt", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"},
		{"README", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"},
		{"Makefile", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"},
	} {
		for range 20_000 {
			suffix := make([]byte, 6)
			for i := range suffix {
				suffix[i] = c.letters[chance.IntN(len(c.letters))]
			}
			name := c.base + "." + string(suffix)
			if got := classBeside(r, name, "", opened(mkstemped, 0o666)); got != Temporary {
				t.Fatalf("%s is %v", name, got)
			}
		}
	}
}

// TestGuessTakenOut: "!pattern" takes a guess away, and a pattern of the user's makes it last.
func TestGuessTakenOut(t *testing.T) {
	for _, c := range []struct {
		extra string
		want  Class
	}{{"*.other", Temporary}, {"!*.part", Ordinary}, {"*.part", LocalOnly}} {
		if got := classBeside(rules(t, c.extra), "clip.part", "", Evidence{Creation: AsFile}); got != c.want {
			t.Errorf("with %s: %v, want %v", c.extra, got, c.want)
		}
	}
}

// TestFoldersAreNeverTemporary: what is in them is ordinary, whatever people and programs call
// them, but for the one name that nobody chooses.
func TestFoldersAreNeverTemporary(t *testing.T) {
	r := rules(t)
	for _, d := range []string{"travel-journal", "sea-wal", "ancora~", "day.part", "cards.tmp", "x.crdownload", "y.aria2", "tmpab1_cd2e",
		".unison", "unison.tmp", ".unison.tmp", ".unison.unison.tmp", ".unison.travel.unison.tmp", ".unison.travel.0a1b2c.unison.tmp",
		".unison.travel." + strings.ToUpper(hash) + ".unison.tmp", ".unison.travel." + hash + ".unison.tmp.old", "a.unison.travel." + hash + ".unison.tmp",
		".unison." + hash + ".unison.tmp", ".unison.travel." + hash + "0.unison.tmp", ".unison.travel-" + hash + ".unison.tmp",
		".unison.travel." + hash + ".tmp"} {
		if r.LocalOnly(d, AsDirectory) {
			t.Errorf("%s is local-only", d)
		}
		if got := classBeside(r, d+"/day1.mp4", d, opened(mkstemped, 0o600)); got != Ordinary {
			t.Errorf("%s/day1.mp4 is %v", d, got)
		}
		if got := r.ClassByPath(d + "/day1.mp4"); got != Ordinary {
			t.Errorf("%s/day1.mp4 is %v by its path", d, got)
		}
	}
}

// hash is one that unison makes.
const hash = "1c034d237d282f009ab3289f25ab5cc2"

// TestStagingFolders: what is in unison's, at any depth, waits for its rename; a name that means
// more by itself goes on to do so.
func TestStagingFolders(t *testing.T) {
	const folder = ".unison.travel." + hash + ".unison.tmp"
	r := rules(t)
	for at, want := range map[string]Class{
		folder + "/day1.mp4": Staged, "d/" + folder + "/deep/er/day1.mp4": Staged, ".unison.Straße 1.mp4." + hash + ".unison.tmp/ä": Staged,
		"a/.unison.a\nb." + hash + ".unison.tmp/c": Staged, folder + "/day1.mp4.part": Temporary, folder + "/.DS_Store": LocalOnly, ".Trash-0/files/" + folder + "/day1.mp4": LocalOnly,
		folder: LocalOnly, "d/" + folder: LocalOnly, "folder/day1.mp4": Ordinary,
	} {
		if got := r.ClassOf(at, Evidence{Creation: Exclusive, Beside: func(string) bool { return false }}); got != want {
			t.Errorf("%s is %v, want %v", at, got, want)
		}
		if got := r.ClassByPath(at); got != want {
			t.Errorf("%s is %v by its path, want %v", at, got, want)
		}
	}
	if r.LocalOnly(folder, AsDirectory) {
		t.Errorf("%s is local-only as a directory", folder)
	}
	r, err := NewRules([]string{"!.unison.*.unison.tmp"})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.ClassByPath(folder + "/day1.mp4"); got != Ordinary {
		t.Errorf("%s is %v though it was taken out", folder, got)
	}
}

// TestExtensionsInStagingFolders: no extension that people use makes more of a file in there.
func TestExtensionsInStagingFolders(t *testing.T) {
	r := rules(t)
	for _, ext := range strings.Fields(extensions) {
		name := ".unison.travel." + hash + ".unison.tmp/clip." + ext
		if got := r.ClassOf(name, Evidence{Creation: Exclusive, Beside: func(string) bool { return false }}); got != Staged {
			t.Errorf("%s is %v", name, got)
		}
	}
}

// TestPutsAside: names that a save gives the old version are told from others that have its file's name in them.
func TestPutsAside(t *testing.T) {
	for name, want := range map[string]bool{
		"a.txt~": true, "a.txt.~1~": true, "scene.mov.sb-1234abcd-XyZ123": true,
		"scene.mov": false, "scene.sb-cut.mov": false, "scene.mov.sb-1234abcd": false, "scene.mov.part": false,
	} {
		if got := PutsAside(name); got != want {
			t.Errorf("PutsAside(%q) = %v", name, got)
		}
	}
}
