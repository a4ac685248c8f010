package e2e

import (
	"crypto/rand"
	"errors"
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
		needles := append(r.Secrets(), rig.Needle{What: "the content", Text: []byte(strings.TrimSpace(marker))})
		if len(needles) < 5 {
			t.Fatalf("%s: KMS made no data key yet, so there is nothing to look for", when)
		}
		s := rig.NewSearch(needles, begun)
		for _, place := range []string{m.Spool, r.Dir, r.S3.Dir} {
			s.Walk(t, place)
		}
		for place := range entries(temporary) {
			if !old[place] {
				s.Walk(t, place)
			}
		}
		s.OpenFiles(t, m.PID())
		for _, hit := range s.Hits {
			t.Errorf("%s: %s", when, hit)
		}
		if s.Files == 0 || s.Bytes < 1<<20 {
			t.Errorf("%s: only %d files with %d bytes were searched", when, s.Files, s.Bytes)
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
	m.Within(time.Minute, "patch what was sent", func() error { return writeAndPatch(r, m.Path("patched.txt"), text) })
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

// writeAndPatch writes 48 MiB and, before it closes, over a part that has left: the first
// ones leave in their order, and eight are under way at once.
func writeAndPatch(r *rig.Rig, path string, text []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 0; size < 48<<20; size += len(text) {
		if _, err := f.Write(text); err != nil {
			return err
		}
	}
	before := time.Now()
	for r.S3.Proxy.Count("UploadPart") < 3 {
		if time.Since(before) > 40*time.Second {
			return errors.New("no part leaves while the file is written")
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := f.WriteAt(text[:100_000], 6<<20); err != nil {
		return err
	}
	return f.Close()
}

// checkUnique looks at everything that began an object: no IV and no wrapped
// key twice (P2), and KMS gave no key twice.
func checkUnique(t *testing.T, r *rig.Rig) {
	t.Helper()
	seen := make(map[string]string)
	begun := r.Begun()
	for _, q := range begun {
		iv := q.Header.Get("X-Amz-Meta-Mcfs-Iv")
		for _, value := range []string{"IV " + iv, "key " + q.Header.Get("X-Amz-Meta-Mcfs-Key")} {
			if other, twice := seen[value]; twice {
				t.Errorf("%s of %s had the %s of %s", q.Op, q.Path, value, other)
			}
			seen[value] = q.Op + " of " + q.Path
		}
	}
	if len(begun) < 4 {
		t.Errorf("only %d objects were begun", len(begun))
	}
	if err := r.KMS.Repeated(); err != nil {
		t.Error(err)
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
		s := rig.NewSearch([]rig.Needle{{What: "the key", Text: key}, {What: "another", Text: []byte("not there")}}, time.Now().Add(-time.Minute))
		s.Walk(t, dir)
		if len(s.Hits) != 1 {
			t.Errorf("at %d: %d hits, not 1: %v", at, len(s.Hits), s.Hits)
		}
	}
}
