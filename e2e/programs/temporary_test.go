package programs

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// inPassing are programs that write under a name in passing, as their users call them: each
// in a directory of its own, where the script leaves files whose names are of these patterns.
// S3 may meet, beside them, what passes and means something, as the locks of a repository.
// $MEDIA has what to work on, $URL serves it, and $HOME is no part of the mount.
var inPassing = []struct {
	program string
	script  string
	left    string
	passing string
}{
	{"aria2c", `
aria2c -q --no-conf --max-tries=1 -x 2 -k 1M -s 2 --auto-save-interval=1 --file-allocation=none "$URL/gated/film.mp4"; cmp "$MEDIA/film.mp4" film.mp4`,
		"film.mp4", ""},
	{"wget", `
wget -q "$URL/film.mp4"; wget -q -O again.mp4 "$URL/film.mp4"; cmp "$MEDIA/film.mp4" film.mp4; cmp film.mp4 again.mp4`,
		"film.mp4 again.mp4", ""},
	{"curl", `
curl -sSfO "$URL/film.mp4"; curl -sSf -o again.mp4 "$URL/film.mp4"; cmp "$MEDIA/film.mp4" film.mp4; cmp film.mp4 again.mp4`,
		"film.mp4 again.mp4", ""},
	{"yt-dlp", `
yt-dlp -q -o film.mp4 "$URL/film.mp4"; cmp "$MEDIA/film.mp4" film.mp4`,
		"film.mp4", ""},
	{"exiftool", `
cp "$MEDIA/still.jpg" a.jpg; cp "$MEDIA/clip.mp4" b.mp4
exiftool -q -overwrite_original -Artist=Ada a.jpg; exiftool -q -Title=Sea b.mp4
[ "$(exiftool -s3 -Artist a.jpg)" = Ada ]; [ "$(exiftool -s3 -Title b.mp4)" = Sea ]; cmp "$MEDIA/clip.mp4" b.mp4_original`,
		"a.jpg b.mp4 b.mp4_original", ""},
	{"AtomicParsley", `
cp "$MEDIA/clip.mp4" a.mp4; AtomicParsley a.mp4 --title Sea --overWrite >/dev/null
AtomicParsley a.mp4 -t | grep -q Sea; ffmpeg -v error -i a.mp4 -f null -`,
		"a.mp4", ""},
	{"ffmpeg, in two passes", `
for pass in 1 2; do ffmpeg -v error -i "$MEDIA/clip.mp4" -c:v libx264 -b:v 100k -pass $pass -f mp4 -y $([ $pass = 2 ] && echo out.mp4 || echo /dev/null); done
ffmpeg -v error -i out.mp4 -f null -`,
		"out.mp4 ffmpeg2pass-0.log ffmpeg2pass-0.log.mbtree", ""},
	{"ffmpeg, segments", `
ffmpeg -v error -i "$MEDIA/clip.mp4" -c copy -f hls -hls_time 0.2 -hls_segment_type fmp4 -hls_flags temp_file list.m3u8
ffmpeg -v error -i "$MEDIA/clip.mp4" -c copy -f dash list.mpd; ffmpeg -v error -i list.m3u8 -f null -; ffmpeg -v error -i list.mpd -f null -`,
		"list.m3u8 list[0-4].m4s init.mp4 list.mpd init-stream0.m4s chunk-stream0-0000[0-9].m4s", ""},
	{"7z", `
7z a -bd a.7z "$MEDIA/film.mp4" >/dev/null; 7z a -bd a.7z "$MEDIA/notes" >/dev/null; 7z d -bd a.7z film.mp4 >/dev/null; 7z t a.7z >/dev/null
7z x -so a.7z notes | cmp - "$MEDIA/notes"; 7z a -bd b.zip "$MEDIA/notes" >/dev/null; 7z u -bd b.zip "$MEDIA/still.jpg" >/dev/null; unzip -tq b.zip >/dev/null`,
		"a.7z b.zip", ""},
	{"zip", `
zip -qj a.zip "$MEDIA/notes"; zip -qj a.zip "$MEDIA/film.mp4"; zip -qd a.zip notes; unzip -p a.zip film.mp4 | cmp - "$MEDIA/film.mp4"`,
		"a.zip", ""},
	{"libzip", `
zip -qj a.zip "$MEDIA/notes"; for i in 1 2 3 4 5 6 7 8; do ziptool a.zip add n$i text$i; done; [ "$(unzip -p a.zip n1 n8)" = text1text8 ]
for i in 1 2 3 4 5 6 7 8 9; do ziptool new$i.zip add n text$i; done; umask 077; ziptool own.zip add n text; [ "$(unzip -p new9.zip n; unzip -p own.zip n)" = text9text ]`,
		"a.zip new[1-9].zip own.zip", ""},
	{"restic", `
export RESTIC_PASSWORD=secret; restic() { command restic -q --no-cache -r repository "$@"; }
restic init; restic backup "$MEDIA"; restic check --read-data >/dev/null; restic dump latest "$MEDIA/film.mp4" | cmp - "$MEDIA/film.mp4"`,
		"repository/config repository/(keys|data/..|index|snapshots)/[0-9a-f]{64}", "repository/locks/[0-9a-f]{64}"},
	{"borg", `
export BORG_BASE_DIR="$HOME/borg" BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
borg init -e none repository; borg create repository::one "$MEDIA"; borg create repository::two "$MEDIA/notes"; borg check repository
borg extract --stdout repository::one "${MEDIA#/}/film.mp4" | cmp - "$MEDIA/film.mp4"`,
		"repository/(README|config) repository/data/0/[0-9]+ repository/(hints|index|integrity)[.][0-9]+", "repository/lock[.](roster|exclusive/[^/]+)"},
	{"unison", `
export UNISON="$HOME/unison"; mkdir "$HOME/there"; cp "$MEDIA/notes" "$HOME/there"; cp "$MEDIA/film.mp4" "$HOME/there"; mkdir here; cp "$MEDIA/still.jpg" here
both() { unison -silent -batch -ignore 'Name *.settings.json' here "$HOME/there"; }
both; sed -i s/one/1/ "$HOME/there/notes"; mkdir -p "$HOME/there/new/deep"; cp "$MEDIA/film.mp4" "$HOME/there/new/deep"; cat "$MEDIA"/film.mp4 "$MEDIA"/film.mp4 "$MEDIA"/film.mp4 >"$HOME/there/new/long.mp4"; both
cmp here/new/deep/film.mp4 "$MEDIA/film.mp4"; cmp here/new/long.mp4 "$HOME/there/new/long.mp4"; cmp here/film.mp4 "$MEDIA/film.mp4"; cmp here/notes "$HOME/there/notes"; cmp "$HOME/there/still.jpg" here/still.jpg
tree() { mkdir -p "$1"/{a,b/c,d/e/f}; for i in {1..50}; do head -c $((i * 4001)) "$MEDIA/film.mp4" | tail -c 4001 >"$1/$(printf 'a\nb/c\nd\nd/e/f\n.' | sed -n $((i % 5 + 1))p)/$i.dat"; done; }
tree here/out; tree "$HOME/there/in"; both; diff -r -x '*.settings.json' here "$HOME/there"; [ $(find here/in here/out -name '*.dat' | wc -l) = 100 ]
rm here/out/a/*.dat; mv "$HOME/there/in/d" "$HOME/there/in/g"; echo more >>here/in/b/c/1.dat; echo more >>"$HOME/there/out/b/c/1.dat"; both; diff -r -x '*.settings.json' here "$HOME/there"
[ ! -e here/out/a/5.dat ]; [ $(find here/in/g here/in/b -name '*.dat' | wc -l) = 30 ]`,
		"here/film.mp4 here/notes here/still.jpg here/new/deep/film.mp4 here/new/long.mp4 here/(in|out)/.*[.]dat", ""},
	{"qpdf", `
cp "$MEDIA/paper.pdf" .; qpdf --replace-input --linearize paper.pdf; qpdf --check paper.pdf >/dev/null; ! cmp -s "$MEDIA/paper.pdf" paper.pdf`,
		"paper.pdf", ""},
	{"patch", `
cp "$MEDIA/notes" notes; { diff -u notes - <<<other || true; } >"$HOME/change"; patch -s notes "$HOME/change"; [ "$(cat notes)" = other ]
patch -sRb notes "$HOME/change"; cmp "$MEDIA/notes" notes; [ "$(cat notes.orig)" = other ]`,
		"notes notes.orig", ""},
	{"ar, ranlib, strip", `
echo 'int main(void) { return 0; }' | gcc -g -x c -c - -o main.o; ar rcs a.a main.o; ar q a.a "$MEDIA/notes"; ranlib a.a; ar d a.a main.o; ar p a.a notes | cmp - "$MEDIA/notes"
strip -g main.o; objcopy --remove-section .comment main.o; gcc main.o -o main; ./main`,
		"a.a main.o main", ""},
	{"sed", `
cp "$MEDIA/notes" notes; sed -i s/one/1/ notes; sed -i.bak s/1/first/ notes; [ "$(head -n 1 notes.bak)" = 1 ]; [ "$(head -n 1 notes)" = first ]`,
		"notes notes.bak", ""},
	{"perl", `
cp "$MEDIA/notes" notes; perl -pi -e s/one/1/ notes; perl -pi.bak -e s/1/first/ notes; [ "$(head -n 1 notes.bak)" = 1 ]; [ "$(head -n 1 notes)" = first ]`,
		"notes notes.bak", ""},
	{"python3", `
python3 - "$MEDIA/film.mp4" <<'END'
import os, shutil, sys, tempfile
for options in {}, {"suffix": ".mp4"}:
    with tempfile.NamedTemporaryFile(dir=".", delete=False, **options) as f:
        f.write(open(sys.argv[1], "rb").read())
    os.replace(f.name, "film%d.mp4" % len(options))
with tempfile.TemporaryDirectory(dir=".") as d:
    shutil.copy(sys.argv[1], d)
fd, name = tempfile.mkstemp(dir="."); os.write(fd, b"made"); os.close(fd); os.rename(name, "made")
END
cmp film0.mp4 "$MEDIA/film.mp4"; cmp film1.mp4 "$MEDIA/film.mp4"; [ "$(cat made)" = made ]`,
		"film0.mp4 film1.mp4 made", "tmp[a-z0-9_]{8}/film.mp4"},
	{"GLib and GIO", `
python3 - <<'END'
import ctypes
glib, gio = ctypes.CDLL("libglib-2.0.so.0"), ctypes.CDLL("libgio-2.0.so.0")
gio.g_file_new_for_path.restype = ctypes.c_void_p
gio.g_file_replace_contents.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int, ctypes.c_int] + [ctypes.c_void_p] * 3
for text in b"first", b"second":
    for name in b"notes.txt", b"Makefile", *(b"README%d" % i for i in range(9)):
        assert glib.g_file_set_contents(name, text, ctypes.c_ssize_t(len(text)), None)
    assert gio.g_file_replace_contents(gio.g_file_new_for_path(b"saved.txt"), text, len(text), None, True, 0, None, None, None)
END
[ "$(cat notes.txt Makefile saved.txt)" = secondsecondsecond ]`,
		"notes.txt Makefile README[0-8] saved.txt saved.txt~", ""},
	{"Qt", replay("project.txt.bXcDeF", "project.txt", unnamed), "project.txt", ""},
	{"Firefox", replay("clip.mp4.part", "clip.mp4", exclusive), "clip.mp4", ""},
	{"Chrome", replay("clip.mp4.crdownload", "clip.mp4", truncating), "clip.mp4", ""},
	{"lftp", replay("clip.partial", "clip.mp4", truncating), "clip.mp4", ""},
	{"EasyTAG", replay("clip.mkv.metadata_edit", "clip.mkv", truncating), "clip.mkv", ""},
	{"VeraCrypt", replay("box.hc.vctemp", "box.hc", truncating), "box.hc", ""},
	{"syncthing", replay(".syncthing.clip.mp4.tmp", "clip.mp4", truncating), "clip.mp4", ""},
	{"Blender", replay("scene.blend@", "scene.blend", truncating), "scene.blend", ""},
}

// How a replayed program opens its file, in Python.
const (
	truncating = `os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)`
	exclusive  = `os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)`
	unnamed    = `os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)`
)

// replay saves twice under a final name, as a program does that is not at hand: what it writes
// is closed under the other name, and then renamed. A file without a name is linked to that.
func replay(name, final, open string) string {
	return fmt.Sprintf(`
python3 - <<'END'
import os
name, final = %q, %q
for text in b"first", b"second" * 20000:
    fd = %s
    os.write(fd, text); os.fsync(fd)
    if not os.path.exists(name): os.link("/proc/self/fd/%%d" %% fd, name, src_dir_fd=fd)
    os.close(fd); os.rename(name, final)
    assert open(final, "rb").read() == text
END
`, name, final, open)
}

// TestTemporaryNames drives programs that write under one name and mean another: S3 is never
// given anything under the first, and what they leave is there, whole, with its sidecars.
func TestTemporaryNames(t *testing.T) {
	t.Parallel()
	rig.Need(t, "aria2c", "wget", "curl", "yt-dlp", "exiftool", "AtomicParsley", "ffmpeg", "7z", "zip", "unzip", "ziptool", "restic", "borg",
		"unison", "qpdf", "patch", "gcc", "ar", "sed", "perl", "python3")
	// A machine may be so loaded that a program takes longer from its close to its rename than by default.
	r := rig.New(t, rig.Settings{"mount.grace": `"1h"`})
	m := r.Mount("warm")
	sideBySide(t, m)
	if out, err := m.Mcfs(time.Minute, "sync", m.Path()); err != nil {
		t.Errorf("sync: %v: %s", err, out)
	}
	const list = ` -mindepth 1 \( -type d -printf '%P/\n' -o -not -name '*.settings.json' -printf '%P\n' \)`
	files := strings.Split(strings.TrimSpace(m.Shell("find ."+list)), "\n")
	r.Settle(30*time.Second, files)
	for _, p := range inPassing {
		judge(t, p.program, strings.Fields(p.left), below(files, p.program))
	}
	m.Unmount()
	r.Settle(30*time.Second, files)
	judgeGiven(t, r)
	cold := r.Mount("cold")
	r.Truth(cold)
	cold.Unmount()
}

// sideBySide runs the programs, a few at once, and each with a home of its own.
func sideBySide(t *testing.T, m *rig.Mount) {
	media := makeMedia(t)
	environment := fmt.Sprintf("export MEDIA='%s' URL='%s' HOME=", media, serveFilm(t, m, media))
	next := make(chan int, len(inPassing))
	for i := range inPassing {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() { // ends with the list
			for i := range next {
				p := inPassing[i]
				begun := time.Now()
				if out, err := m.TryShell(rig.Limit, environment+"'"+t.TempDir()+"'\nmkdir '"+p.program+"'; cd '"+p.program+"'"+p.script); err != nil {
					t.Errorf("%s: %v\n%s", p.program, err, out)
				}
				t.Logf("%s: %v", p.program, time.Since(begun).Round(10*time.Millisecond))
			}
		})
	}
	workers.Wait()
}

// below are the files of a directory, relative to it.
func below(files []string, dir string) (list []string) {
	for _, f := range files {
		if name, in := strings.CutPrefix(f, dir+"/"); in && name != "" && !strings.HasSuffix(name, "/") {
			list = append(list, name)
		}
	}
	return list
}

// judge demands that every file is of a pattern, and that every pattern has a file.
func judge(t *testing.T, program string, patterns, files []string) {
	t.Helper()
	for _, f := range files {
		if !matchesAny(patterns, f) {
			t.Errorf("%s has left %s", program, f)
		}
	}
	for _, p := range patterns {
		if !slices.ContainsFunc(files, func(f string) bool { return matchesAny([]string{p}, f) }) {
			t.Errorf("%s has left no %s, but %q", program, p, files)
		}
	}
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return regexp.MustCompile("^(" + p + ")$").MatchString(name)
	})
}

// judgeGiven demands that S3 was given nothing, not the beginning of an upload, but under
// names that mean something.
func judgeGiven(t *testing.T, r *rig.Rig) {
	t.Helper()
	for key, given := range r.Writes() {
		program, name, _ := strings.Cut(strings.TrimSuffix(key, rig.SidecarSuffix), "/")
		if name == "" || strings.HasSuffix(name, "/") {
			continue
		}
		for _, p := range inPassing {
			if p.program == program && !matchesAny(strings.Fields(p.left+" "+p.passing), name) {
				t.Errorf("%s: S3 was given %s: %v", program, name, given)
			}
		}
	}
}

// makeMedia makes what the programs work on: a film of noise, a clip and a still, text, a page.
func makeMedia(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	const script = `cd "$1"; head -c 3000000 /dev/urandom >film.mp4; printf 'one\ntwo\nthree\n' >notes
ffmpeg -v error -f lavfi -i testsrc=size=64x64:rate=25:duration=1 -g 5 -pix_fmt yuv420p -f mp4 clip.mp4; ffmpeg -v error -i clip.mp4 -frames:v 1 still.jpg`
	if out, err := exec.Command("bash", "-euc", script, "bash", dir).CombinedOutput(); err != nil {
		t.Fatalf("make media: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "paper.pdf"), makePDF(), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// makePDF is a document of one empty page.
func makePDF() []byte {
	var pdf bytes.Buffer
	pdf.WriteString("%PDF-1.4\n")
	var at []int
	for i, object := range []string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>"} {
		at = append(at, pdf.Len())
		fmt.Fprintf(&pdf, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	xref := pdf.Len()
	pdf.WriteString("xref\n0 4\n0000000000 65535 f \n")
	for _, offset := range at {
		fmt.Fprintf(&pdf, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&pdf, "trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", xref)
	return pdf.Bytes()
}

// serveFilm serves the media. What is asked for below /gated ends only when aria2's control
// file stands in the mount: by then the download is under way, and its state was saved.
func serveFilm(t *testing.T, m *rig.Mount, media string) (url string) {
	t.Helper()
	files := http.FileServer(http.Dir(media))
	mux := http.NewServeMux()
	mux.Handle("/", files)
	mux.HandleFunc("/gated/", func(w http.ResponseWriter, q *http.Request) {
		w = &gated{ResponseWriter: w, q: q, awaited: m.Path("aria2c", "film.mp4.aria2")}
		http.StripPrefix("/gated", files).ServeHTTP(w, q)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// gated lets through a beginning, and the rest when a file is there.
type gated struct {
	http.ResponseWriter
	q       *http.Request
	awaited string
	written int
}

func (g *gated) Write(b []byte) (int, error) {
	for g.written > 200_000 && g.q.Context().Err() == nil {
		if _, err := os.Stat(g.awaited); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	n, err := g.ResponseWriter.Write(b)
	g.written += n
	return n, err
}
