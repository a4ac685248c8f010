package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// TestNoPlaintextAnywhere is P1 and, over all that was sent, P2: no content and
// no data key on any disk, and no key or IV twice.
func TestNoPlaintextAnywhere(t *testing.T) {
	for _, mode := range []string{"CTR", "GCM"} {
		t.Run(mode, func(t *testing.T) { noPlaintext(t, mode) })
	}
}

func noPlaintext(t *testing.T, mode string) {
	r := rig.New(t, rig.Settings{"crypt.mode": `"` + mode + `"`})
	begun := time.Now().Add(-time.Second)
	temporary := []string{os.TempDir(), "/tmp", "/var/tmp"}
	old := entries(temporary)
	marker := "MARKER OF THE PLAINTEXT " + rand.Text() + "\n"
	text := []byte(strings.Repeat(marker, 8<<20/len(marker)))
	m := r.Mount("a")
	look := func(when string) {
		t.Helper()
		needles := append(secrets(r), needle{"the content", []byte(strings.TrimSpace(marker))})
		if len(needles) < 5 {
			t.Fatalf("%s: KMS made no data key yet, so there is nothing to look for", when)
		}
		s := newSearch(needles, begun)
		for _, place := range []string{m.Spool, r.Dir, r.S3.Dir} {
			s.walk(t, place)
		}
		for place := range entries(temporary) {
			if !old[place] {
				s.walk(t, place)
			}
		}
		s.openFiles(t, m.PID())
		for _, hit := range s.hits {
			t.Errorf("%s: %s", when, hit)
		}
		if s.files == 0 || s.bytes < 1<<20 {
			t.Errorf("%s: only %d files with %d bytes were searched", when, s.files, s.bytes)
		}
	}
	m.Within(time.Minute, "write, fsync, look, close", func() error {
		f, err := os.Create(m.Path("draft.txt"))
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(text); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		look("after fsync")
		return f.Close()
	})
	look("after close")
	m.Within(time.Minute, "overwrite", func() error { return os.WriteFile(m.Path("draft.txt"), text[:len(text)/2], 0o644) })
	m.Within(time.Minute, "patch what was sent", func() error { return writeAndPatch(m.Path("patched.txt"), text) })
	m.Run("ln", "-s", strings.TrimSpace(marker), "link") // a target is content, too
	m.Run("cat", "draft.txt", "patched.txt")
	if r.S3.Proxy.Count("AbortMultipartUpload") == 0 {
		t.Error("the patch did not restart the upload: what it should try was not tried")
	}
	look("after rewrites and reads")
	m.Unmount()
	look("after the end of the mount")
	checkUnique(t, r)
	r.Proof()
	for _, c := range r.KMS.Calls() {
		if c.Code != "" {
			t.Errorf("KMS refused %s: %s", c.Action, c.Code)
		}
	}
}

// entries are what lies in the folders: other programs' work is not searched.
func entries(folders []string) map[string]bool {
	all := make(map[string]bool)
	for _, dir := range folders {
		list, _ := os.ReadDir(dir)
		for _, e := range list {
			all[filepath.Join(dir, e.Name())] = true
		}
	}
	return all
}

// writeAndPatch writes 100 MiB and, before it closes, over their middle.
func writeAndPatch(path string, text []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 0; size < 100<<20; size += len(text) {
		if _, err := f.Write(text); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(text[:100_000], 50<<20); err != nil {
		return err
	}
	return f.Close()
}

// checkUnique looks at everything that began an object: no IV and no wrapped
// key twice (P2), and KMS gave no key twice.
func checkUnique(t *testing.T, r *rig.Rig) {
	t.Helper()
	seen := make(map[string]string)
	begun := 0
	for _, q := range r.S3.Proxy.Requests() {
		iv := q.Header.Get("X-Amz-Meta-Mcfs-Iv")
		if iv == "" || q.Op != "PutObject" && q.Op != "CreateMultipartUpload" {
			continue
		}
		begun++
		for _, value := range []string{"IV " + iv, "key " + q.Header.Get("X-Amz-Meta-Mcfs-Key")} {
			if other, twice := seen[value]; twice {
				t.Errorf("%s of %s had the %s of %s", q.Op, q.Path, value, other)
			}
			seen[value] = q.Op + " of " + q.Path
		}
	}
	if begun < 4 {
		t.Errorf("only %d objects were begun", begun)
	}
	if err := r.KMS.Repeated(); err != nil {
		t.Error(err)
	}
}

// needle is something that must not be found.
type needle struct {
	what string
	text []byte
}

// secrets are the data keys, in the spellings in which a program might leave them.
func secrets(r *rig.Rig) []needle {
	var all []needle
	for i, key := range r.KMS.DataKeys() {
		what := fmt.Sprintf("data key %d", i)
		hexadecimal := hex.EncodeToString(key)
		all = append(all,
			needle{what, key},
			needle{what + " in hexadecimal", []byte(hexadecimal)},
			needle{what + " in hexadecimal", []byte(strings.ToUpper(hexadecimal))},
			needle{what + " in base64", []byte(base64.RawStdEncoding.EncodeToString(key))},
			needle{what + " in base64 for URLs", []byte(base64.RawURLEncoding.EncodeToString(key))})
	}
	return all
}

// search looks for many needles at once in files that changed since a time.
type search struct {
	since   time.Time
	exclude map[string]bool     // mountpoints: what is in them is elsewhere
	needles map[uint32][]needle // by their first three bytes
	first   [1 << 16]bool       // by their first two
	longest int

	seen  map[string]bool
	hits  []string
	files int
	bytes int64
}

func newSearch(needles []needle, since time.Time) *search {
	s := &search{since: since, exclude: mountpoints(), needles: make(map[uint32][]needle), seen: make(map[string]bool)}
	for _, n := range needles {
		s.needles[three(n.text)] = append(s.needles[three(n.text)], n)
		s.first[three(n.text)>>8] = true
		s.longest = max(s.longest, len(n.text))
	}
	return s
}

// mountpoints are this machine's. The search enters none that lies in its way:
// the mount under test shows plaintext, and others may hang.
func mountpoints() map[string]bool {
	all := make(map[string]bool)
	info, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(info)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			all[fields[4]] = true
		}
	}
	return all
}

func three(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

func (s *search) walk(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // somebody else's, or gone by now
		case e.IsDir() && (path != root && s.exclude[path] || s.seen[path]):
			return fs.SkipDir
		case e.IsDir():
			s.seen[path] = true
			return nil
		case !e.Type().IsRegular():
			return nil
		}
		info, err := e.Info()
		if err != nil || info.ModTime().Before(s.since) {
			return nil
		}
		return s.file(path)
	})
	if err != nil {
		t.Errorf("search %s: %v", root, err)
	}
}

// openFiles looks into what the daemon has open, removed files included.
func (s *search) openFiles(t *testing.T, pid int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return // it has ended
	}
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			if err := s.file(path); err != nil {
				t.Error(err)
			}
		}
	}
}

func (s *search) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil // gone by now
	}
	defer f.Close()
	s.files++
	buf := make([]byte, 1<<20)
	kept := 0
	for {
		n, err := f.Read(buf[kept:])
		s.bytes += int64(n)
		s.scan(path, buf[:kept+n])
		if err == io.EOF || err != nil {
			return nil
		}
		start := max(0, kept+n-s.longest+1)
		kept = copy(buf, buf[start:kept+n])
	}
}

// scan is spared by the race detector, which would look at every byte itself.
//
//go:norace
func (s *search) scan(path string, text []byte) {
	for i := 0; i+2 < len(text); i++ {
		if !s.first[uint16(text[i])<<8|uint16(text[i+1])] {
			continue
		}
		for _, n := range s.needles[three(text[i:])] {
			if len(text)-i >= len(n.text) && string(text[i:i+len(n.text)]) == string(n.text) && len(s.hits) < 20 {
				s.hits = append(s.hits, fmt.Sprintf("%s is in %s", n.what, path))
			}
		}
	}
}

// TestSearchFinds proves that the search would find what it looks for, also
// across the borders of its buffer.
func TestSearchFinds(t *testing.T) {
	dir := t.TempDir()
	key := []byte(rand.Text() + "\x00\xff")
	for _, at := range []int{0, 1<<20 - len(key)/2, 3 << 20} {
		text := make([]byte, at+len(key))
		copy(text[at:], key)
		if err := os.WriteFile(filepath.Join(dir, "f"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		s := newSearch([]needle{{"the key", key}, {"another", []byte("not there")}}, time.Now().Add(-time.Minute))
		s.walk(t, dir)
		if len(s.hits) != 1 {
			t.Errorf("at %d: %d hits, not 1: %v", at, len(s.hits), s.hits)
		}
	}
}
