package programs

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// TestCutDownloads ends downloads in the middle of a film. What aria2's control file or a
// signal tells of is not published; what ends as a whole file does, by itself, is.
func TestCutDownloads(t *testing.T) {
	t.Parallel()
	rig.Need(t, "aria2c", "axel", "curl", "wget", "lftp")
	r := rig.New(t, rig.Settings{"mount.grace": `"1h"`})
	m := r.Mount("warm")
	media := t.TempDir()
	if err := os.WriteFile(filepath.Join(media, "film.mp4"), slices.Repeat([]byte("0123456789abcdef"), 190_000), 0o644); err != nil {
		t.Fatal(err)
	}
	url := serveHalves(t, media)
	for _, d := range []string{"aria2c", "axel", "curl", "wget", "lftp"} {
		m.Shell("mkdir " + d)
	}
	const aria2c = "aria2c -q --no-conf --max-tries=1 --auto-save-interval=1 --file-allocation=none -d aria2c "
	endBySignal(t, m, "aria2c/again.mp4.aria2", aria2c+"-o again.mp4 "+url+"/hung/film.mp4")
	endBySignal(t, m, "aria2c/asis.mp4.aria2", aria2c+"-o asis.mp4 "+url+"/hung/film.mp4")
	endBySignal(t, m, "aria2c/stays.mp4.aria2", aria2c+"-o stays.mp4 "+url+"/hung/film.mp4")
	endBySignal(t, m, "aria2c/empty.mp4.aria2", aria2c+"-o empty.mp4 "+url+"/silent/film.mp4")
	const axel = "axel -q -n 2 -o axel/"
	endBySignal(t, m, "axel/again.mp4.st", axel+"again.mp4 "+url+"/ranged/film.mp4")
	endBySignal(t, m, "axel/stays.mp4.st", axel+"stays.mp4 "+url+"/ranged/film.mp4")
	endBySignal(t, m, "curl/ended.mp4", "curl -sSf -o curl/ended.mp4 "+url+"/hung/film.mp4")
	endBySignal(t, m, "wget/ended.mp4", "wget -q -t 1 -O wget/ended.mp4 "+url+"/hung/film.mp4")
	m.Shell(`for what in "` + aria2c + `-o cut.mp4" "curl -sSf -o curl/cut.mp4" "wget -q -t 1 -O wget/cut.mp4"; do
! $what "` + url + `/cut/film.mp4"; done
` + axel + `whole.mp4 ` + url + `/film.mp4; cmp axel/whole.mp4 '` + media + `/film.mp4'
cd lftp; lftp -c 'pget -n 2 ` + url + `/film.mp4'; cmp film.mp4 '` + media + `/film.mp4'`)
	syncAll(t, m)
	halves := []string{"aria2c/again.mp4", "aria2c/asis.mp4", "aria2c/stays.mp4", "aria2c/cut.mp4", "aria2c/empty.mp4", "axel/again.mp4", "axel/stays.mp4", "curl/ended.mp4", "wget/ended.mp4"}
	dirs := []string{"aria2c/", "axel/", "curl/", "lftp/", "wget/"}
	published := append(dirs, "axel/whole.mp4", "curl/cut.mp4", "lftp/film.mp4", "wget/cut.mp4")
	r.Settle(30*time.Second, published)
	judgeInterrupted(t, m, halves)
	for _, name := range append(halves, "lftp/film.mp4.lftp-pget-status", "axel/again.mp4.st", "axel/stays.mp4.st", "axel/whole.mp4.st") {
		if given := r.Writes()[name]; given != nil {
			t.Errorf("S3 was given %s: %v", name, given)
		}
	}
	m.Shell(aria2c + "-c -o again.mp4 " + url + "/film.mp4; cmp aria2c/again.mp4 '" + media + "/film.mp4'; rm aria2c/asis.mp4.aria2; " + axel + "again.mp4 " + url + "/film.mp4; cmp axel/again.mp4 '" + media + "/film.mp4'; cp '" + media + "/film.mp4' curl/ended.mp4")
	syncAll(t, m)
	r.Settle(30*time.Second, append(published, "aria2c/again.mp4", "aria2c/asis.mp4", "axel/again.mp4", "curl/ended.mp4"))
	judgeInterrupted(t, m, []string{"axel/stays.mp4", "aria2c/stays.mp4", "aria2c/cut.mp4", "aria2c/empty.mp4", "wget/ended.mp4"})
	m.Unmount()
	cold := r.Mount("cold")
	r.Truth(cold)
	cold.Unmount()
}

// serveHalves serves a folder. Of what is asked for below /hung no more than a half comes,
// until the client ends, and below /silent nothing; below /cut the connection ends there. Below
// /ranged it is a part of each range.
func serveHalves(t *testing.T, dir string) (url string) {
	t.Helper()
	files := http.FileServer(http.Dir(dir))
	some := func(of int, then func(*http.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			b, err := os.ReadFile(filepath.Join(dir, filepath.Base(q.URL.Path)))
			if err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(b)))
			if _, err = w.Write(b[:len(b)*of/2]); err == nil {
				err = http.NewResponseController(w).Flush()
			}
			if err != nil {
				t.Logf("some of %s: %v", q.URL, err)
			}
			then(q)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/", files)
	mux.Handle("/hung/", some(1, func(q *http.Request) { <-q.Context().Done() }))
	mux.HandleFunc("/ranged/", func(w http.ResponseWriter, q *http.Request) {
		http.StripPrefix("/ranged", files).ServeHTTP(&gated{ResponseWriter: w, q: q, awaited: filepath.Join(dir, "never")}, q)
	})
	mux.Handle("/silent/", some(0, func(q *http.Request) { <-q.Context().Done() }))
	mux.Handle("/cut/", some(1, func(*http.Request) { panic(http.ErrAbortHandler) }))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// endBySignal starts a program in the mount and ends it, as Ctrl-C does, once a file is there
// and not empty.
func endBySignal(t *testing.T, m *rig.Mount, awaited, line string) {
	t.Helper()
	words := strings.Fields(line)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = m.Dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(rig.Limit); ; time.Sleep(20 * time.Millisecond) {
		info, err := os.Stat(m.Path(awaited))
		if err == nil && info.Size() > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("%s: no %s: %v", line, awaited, err)
			break
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil && words[0] != "axel" {
		t.Errorf("%s has ended with status 0", line)
	}
}

// judgeInterrupted demands that status names these as interrupted, and no others.
func judgeInterrupted(t *testing.T, m *rig.Mount, names []string) {
	t.Helper()
	out, err := m.Mcfs(time.Minute, "status", m.Path())
	if err != nil {
		t.Errorf("status: %v: %s", err, out)
	}
	var found []string
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "interrupted" {
			continue
		}
		found = append(found, words[1])
		if strings.HasPrefix(words[1], "a") && !strings.Contains(line, "control file") {
			t.Errorf("status has no reason: %s", line)
		}
	}
	slices.Sort(found)
	slices.Sort(names)
	if !slices.Equal(found, names) {
		t.Errorf("interrupted are %q, not %q:\n%s", found, names, out)
	}
}

// syncAll waits for all that is pending.
func syncAll(t *testing.T, m *rig.Mount) {
	t.Helper()
	if out, err := m.Mcfs(time.Minute, "sync", m.Path()); err != nil {
		t.Errorf("sync: %v: %s", err, out)
	}
}
