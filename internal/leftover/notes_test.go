package leftover

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mcfs/volume/remote"
)

func mustOpen(t *testing.T, root string) *Notes {
	t.Helper()
	n, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// die ends a run as a kill does: its notes stay, and its lock is gone.
func (n *Notes) die() { _ = n.lock.Close() }

// TestTakenOver: the next run has the notes of one that was killed, as they were last, also where
// it is killed itself; and those of a run that lives stay with that.
func TestTakenOver(t *testing.T) {
	root := filepath.Join(t.TempDir(), "notes")
	first, living := mustOpen(t, root), mustOpen(t, root)
	began, err := first.Add(Content{Begins: &Begins{Key: "a", Since: time.Unix(1, 0).UTC(), Until: time.Unix(2, 0).UTC()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := living.Add(Content{Upload: &Upload{"b", "2"}}); err != nil {
		t.Fatal(err)
	}
	done, err := first.Add(Content{Object: &Object{Made: &remote.Record{Key: "c"}, Since: time.Unix(3, 0).UTC()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := began.Change(Content{Upload: &Upload{"a", "1"}}); err != nil {
		t.Fatal(err)
	}
	if err := done.Forget(); err != nil {
		t.Fatal(err)
	}
	first.die()
	for range 3 {
		next := mustOpen(t, root)
		list := next.All()
		if len(list) != 1 || list[0].Content().Upload == nil || *list[0].Content().Upload != (Upload{"a", "1"}) {
			t.Fatalf("the next run has %+v", list)
		}
		next.die()
	}
	last := mustOpen(t, root)
	if err := last.All()[0].Forget(); err != nil {
		t.Fatal(err)
	}
	if err := last.Close(); err != nil {
		t.Fatal(err)
	}
	for _, n := range living.All() {
		if err := n.Forget(); err != nil {
			t.Fatal(err)
		}
	}
	if err := living.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Dir(root)); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestNothingWithoutNotes: a run that notes nothing makes no folder.
func TestNothingWithoutNotes(t *testing.T) {
	root := filepath.Join(t.TempDir(), "notes")
	if err := mustOpen(t, root).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(root); !os.IsNotExist(err) {
		t.Errorf("there is a folder: %v", err)
	}
}

// TestUnreadable: a note that cannot be read is named, and stays.
func TestUnreadable(t *testing.T) {
	for _, text := range []string{"", "{", "{}", `{"upload":{"key":"a","id":"1"},"begins":{"key":"a"}}`} {
		root := filepath.Join(t.TempDir(), "notes")
		n := mustOpen(t, root)
		if _, err := n.Add(Content{Upload: &Upload{"a", "1"}}); err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(n.dir, n.All()[0].name)
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n.die()
		if next, err := Open(root); err == nil {
			t.Errorf("%q was read as %+v", text, next.All())
		}
		if kept, err := os.ReadFile(at); err != nil || string(kept) != text {
			t.Errorf("%q is %q now: %v", text, kept, err)
		}
	}
}
