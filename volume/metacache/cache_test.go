package metacache

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// reopen closes a cache and opens its file again.
func reopen(t *testing.T, c *Cache, identity string) *Cache {
	t.Helper()
	c.Close()
	return begun(t, c.path, identity)
}

func begun(t *testing.T, path, identity string) *Cache {
	t.Helper()
	return Open(path, identity, slog.New(slog.NewTextHandler(t.Output(), nil)))
}

func inFolder(t *testing.T) string { return filepath.Join(t.TempDir(), "metadata.db") }

func has(c *Cache, object string, now Stamp) string {
	d, _, ok := c.Get(object, now)
	if !ok {
		return ""
	}
	return string(d)
}

func TestKeepsOverMounts(t *testing.T) {
	c := begun(t, inFolder(t), "v")
	s := Stamp{ETag: "e", Size: 3, Sidecar: "s"}
	for i := range 10_000 {
		c.Put(fmt.Sprintf("dir/file %d", i), s, fmt.Appendf(nil, "description %d", i))
	}
	for pass := range 2 {
		for i := range 10_000 {
			if got, want := has(c, fmt.Sprintf("dir/file %d", i), s), fmt.Sprintf("description %d", i); got != want {
				t.Fatalf("pass %d: %q, not %q", pass, got, want)
			}
		}
		c = reopen(t, c, "v")
	}
	if fi, err := os.Stat(c.path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	c = reopen(t, c, "another volume")
	if got := has(c, "dir/file 1", s); got != "" {
		t.Errorf("another volume is given %q", got)
	}
	c.Close()
}

func TestAnotherStateIsNotDescribed(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	c := begun(t, inFolder(t), "v")
	defer c.Close()
	kept := Stamp{ETag: "e", Size: 3, Sidecar: "s"}
	c.Put("file", kept, []byte("d"))
	c.Put("link", Stamp{ETag: "e", Size: 3, Modified: at}, []byte("d"))
	c.Put("recent", Stamp{ETag: "e", Size: 3, Modified: at, Slack: 2 * time.Second}, []byte("d"))
	for _, x := range []struct {
		object string
		now    Stamp
		want   string
	}{
		{"file", kept, "d"},
		{"file", Stamp{ETag: "e", Size: 3, Sidecar: "s", Modified: at}, "d"},
		{"file", Stamp{ETag: "f", Size: 3, Sidecar: "s"}, ""},
		{"file", Stamp{ETag: "e", Size: 4, Sidecar: "s"}, ""},
		{"file", Stamp{ETag: "e", Size: 3, Sidecar: "t"}, ""},
		{"file", Stamp{ETag: "e", Size: 3}, ""},
		{"file", Stamp{}, ""},
		{"link", Stamp{ETag: "e", Size: 3, Modified: at.Add(time.Second - 1)}, "d"}, // listings tell fractions, or do not
		{"link", Stamp{ETag: "e", Size: 3, Modified: at.Add(time.Second)}, ""},
		{"link", Stamp{ETag: "e", Size: 3}, ""},
		{"recent", Stamp{ETag: "e", Size: 3, Modified: at.Add(-time.Hour)}, "d"},
		{"recent", Stamp{ETag: "e", Size: 3, Modified: at.Add(2 * time.Second)}, "d"},
		{"recent", Stamp{ETag: "e", Size: 3, Modified: at.Add(3 * time.Second)}, ""},
		{"none", kept, ""},
	} {
		if got := has(c, x.object, x.now); got != x.want {
			t.Errorf("%s, %+v: %q", x.object, x.now, got)
		}
	}
}

func TestForgets(t *testing.T) {
	c := begun(t, inFolder(t), "v")
	s := Stamp{ETag: "e"}
	all := []string{"a", "b", "d/", "d/a", "d/sub/", "d/sub/a", "d/sub/deep/a", "d/subway", "d-e/a", "d/a b"}
	fill := func() {
		for _, object := range all {
			c.Put(object, s, []byte(object))
		}
	}
	expect := func(what string, gone ...string) {
		t.Helper()
		for round := range 2 { // pending, and at rest
			for _, object := range all {
				want := object
				for _, g := range gone {
					if g == object {
						want = ""
					}
				}
				if got := has(c, object, s); got != want {
					t.Errorf("%s, %d: %s is %q", what, round, object, got)
				}
			}
			c = reopen(t, c, "v")
		}
	}
	fill()
	c.Delete("d/a")
	expect("delete", "d/a")
	fill()
	c = reopen(t, c, "v")
	c.DeleteBelow("d/sub/")
	expect("delete below", "d/sub/", "d/sub/a", "d/sub/deep/a")
	fill()
	c = reopen(t, c, "v")
	c.Prune("d", func(name string) bool { return name == "a" || name == "subway" })
	expect("prune", "d/sub/", "d/sub/a", "d/sub/deep/a", "d/a b")
	fill()
	c = reopen(t, c, "v")
	c.Prune("", func(name string) bool { return name == "a" || name == "d/" })
	expect("prune the root", "b")
	c.Close()
}

func TestUnreadableFileIsSetAside(t *testing.T) {
	path := inFolder(t)
	c := begun(t, path, "v")
	s := Stamp{ETag: "e"}
	for i := range 5000 {
		c.Put(fmt.Sprint("file ", i), s, bytes.Repeat([]byte("x"), 100))
	}
	c.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"garbage": []byte("this is no database"), "cut": whole[:len(whole)/3], "no metapages": append(make([]byte, 8192), whole[8192:]...),
	} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		c := begun(t, path, "v")
		c.Put("new", s, []byte("d"))
		c = reopen(t, c, "v")
		if has(c, "new", s) != "d" {
			t.Errorf("%s: nothing is remembered", name)
		}
		c.Close()
		if aside, err := os.ReadFile(path + asideSuffix); err != nil || !bytes.Equal(aside[:len(damaged)], damaged) {
			t.Errorf("%s: set aside: %v", name, err)
		}
	}
	// Where no file can be, nothing is remembered, and nobody is told.
	c = begun(t, filepath.Join(t.TempDir(), "no such folder", "metadata.db"), "v")
	c.Put("new", s, []byte("d"))
	c.Prune("", func(string) bool { return false })
	if has(c, "new", s) != "" {
		t.Error("remembered without a file")
	}
	c.Close()
}

// A damaged page gives no description or the right one, never another.
func TestDamagedPages(t *testing.T) {
	path := inFolder(t)
	c := begun(t, path, "v")
	s := Stamp{ETag: "e"}
	for i := range 500 {
		c.Put(fmt.Sprint("file ", i), s, fmt.Append(nil, "description ", i))
	}
	c.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		damaged := bytes.Clone(whole)
		for range rapid.IntRange(1, 40).Draw(rt, "n") {
			// Beyond the head of a page: a page that says it were its own parent is beyond what bbolt survives.
			at := rapid.IntRange(0, len(whole)/4096-1).Draw(rt, "page")*4096 + rapid.IntRange(700, 4095).Draw(rt, "at")
			damaged[at] ^= byte(rapid.IntRange(1, 255).Draw(rt, "bits"))
		}
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			rt.Fatal(err)
		}
		c := Open(path, "v", slog.New(slog.DiscardHandler))
		for i := range 500 {
			if got := has(c, fmt.Sprint("file ", i), s); got != "" && got != fmt.Sprint("description ", i) {
				rt.Errorf("file %d: %q", i, got)
			}
		}
		c.Put("new", s, []byte("d"))
		c.Close()
	})
}

// TestForgottenOverAKill opens the file as it is on disk while its Cache lives.
func TestForgottenOverAKill(t *testing.T) {
	path := inFolder(t)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s := Stamp{ETag: "e"}
	first := Open(path, "v", log)
	for _, name := range []string{"written", "kept"} {
		first.Put(name, s, []byte("d"))
	}
	first.Close()
	c := Open(path, "v", log)
	defer c.Close()
	c.Put("pending", s, []byte("d"))
	for _, name := range []string{"written", "pending", "unknown"} {
		c.Forget(name)
	}
	left, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := path + ".copy"
	if err := os.WriteFile(copied, left, 0o600); err != nil {
		t.Fatal(err)
	}
	after := Open(copied, "v", log)
	defer after.Close()
	for _, name := range []string{"written", "pending", "unknown"} {
		if has(c, name, s) != "" || has(after, name, s) != "" {
			t.Errorf("%s is remembered", name)
		}
	}
	if has(after, "kept", s) == "" {
		t.Error("what was not forgotten is")
	}
}

func TestIsBounded(t *testing.T) {
	const most = 2 << 20
	c := open(inFolder(t), "v", slog.New(slog.NewTextHandler(t.Output(), nil)), most)
	s := Stamp{ETag: "e"}
	const n = 20_000
	for i := range n {
		c.Put(fmt.Sprintf("%d/file", i), s, bytes.Repeat([]byte("x"), 500))
		if i%1000 == 999 {
			c.gathered()
		}
	}
	if used := usedBytes(c.db); used > 2*most {
		t.Errorf("%d bytes are used, %d allowed", used, most)
	}
	kept := 0
	for i := range n {
		if has(c, fmt.Sprintf("%d/file", i), s) != "" {
			kept++
		}
	}
	if kept < most/2/500/2 || kept == n {
		t.Errorf("%d of %d are kept", kept, n)
	}
	c.Close()
}
