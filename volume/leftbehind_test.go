package volume

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"mcfs/crypt"
)

const sideF = "f.settings.json"

// expectTombstone demands that a name is a tombstone, or that nothing is there.
func (r *rig) expectTombstone(d *Node, name string, want bool) {
	r.t.Helper()
	n, err := d.Lookup(r.t.Context(), name)
	switch {
	case want && (err != nil || n.Kind() != Tombstone):
		r.t.Errorf("%s: %v, %v, wanted a tombstone", name, n, err)
	case !want && !errors.Is(err, ErrNotExist):
		r.t.Errorf("%s: %v, %v, wanted nothing", name, n, err)
	}
}

// TestTombstone: what a sidecar leaves behind can be looked up and removed. It cannot be
// listed, opened or read, and is in nobody's way.
func TestTombstone(t *testing.T) {
	r := newRig(t, crypt.CTR)
	root := r.v.Root()
	dir, err := root.Mkdir(t.Context(), "d", 0o755, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	r.save("d/f", random(5))
	if err := dir.Remove(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	r.expectTombstone(dir, sideF, true)
	n, err := dir.Lookup(t.Context(), sideF)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := n.Attr(t.Context()); err != nil || a.Size != 0 || a.Nlink != 1 || a.Mode != modeFile|0o644 {
		t.Errorf("it is described as %+v, %v", a, err)
	}
	if list, err := dir.ReadDir(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("the directory lists %v, %v", list, err)
	}
	if _, err := n.Open(t.Context(), os.O_RDONLY, nil); !errors.Is(err, ErrNotExist) || errors.Is(err, ErrStale) {
		t.Errorf("opened to be read: %v", err)
	}
	if _, err := r.v.Settings(t.Context(), n); !errors.Is(err, ErrNotExist) {
		t.Errorf("its settings: %v", err)
	}
	if _, err := n.SetAttr(t.Context(), nil, SetAttr{Mtime: new(time.Now())}); !errors.Is(err, ErrNotExist) {
		t.Errorf("its times: %v", err)
	}
	if err := root.Rename(t.Context(), "d", root, "e", 0); err != nil {
		t.Fatal(err)
	}
	r.expectTombstone(dir, sideF, true)
	if err := root.Rmdir(t.Context(), "e"); err != nil {
		t.Errorf("it is in the way of rmdir: %v", err)
	}
}

// TestTombstoneEnds: it ends by being removed, opened to be written, after a minute,
// and when something comes to its name or its file's.
func TestTombstoneEnds(t *testing.T) {
	for what, end := range map[string]func(r *rig, n *Node){
		"removed": func(r *rig, n *Node) {
			if err := r.v.Root().Remove(r.t.Context(), sideF); err != nil {
				r.t.Error(err)
			}
		},
		"opened": func(r *rig, n *Node) {
			if _, err := n.Open(r.t.Context(), os.O_WRONLY, nil); !errors.Is(err, ErrStale) {
				r.t.Error(err)
			}
		},
		"old": func(r *rig, n *Node) {
			r.age(r.v.Root())
		},
		"another file": func(r *rig, n *Node) {
			h := r.create("f", os.O_EXCL)
			r.expectTombstone(r.v.Root(), sideF, false)
			h.Release()
			if err := r.v.Root().Remove(r.t.Context(), "f"); err != nil {
				r.t.Error(err)
			}
		},
		"a file of its name": func(r *rig, n *Node) {
			h := r.create(sideF, os.O_EXCL)
			r.write(h, []byte("notes"), 0)
			r.finish(h)
			if got := r.load(sideF); string(got) != "notes" {
				r.t.Errorf("the file reads %q", got)
			}
			if err := r.v.Root().Remove(r.t.Context(), sideF); err != nil {
				r.t.Error(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t, crypt.CTR)
			r.save("f", random(5))
			if err := r.v.Root().Remove(t.Context(), "f"); err != nil {
				t.Fatal(err)
			}
			r.expectTombstone(r.v.Root(), sideF, true)
			end(r, r.node(sideF))
			r.expectTombstone(r.v.Root(), sideF, false)
		})
	}
}

// TestTombstonesAreForgotten: nothing is kept of those whose time is over.
func TestTombstonesAreForgotten(t *testing.T) {
	r := newRig(t, crypt.CTR)
	root := r.v.Root()
	for _, name := range []string{"f", "g"} {
		r.save(name, random(5))
		if err := root.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if volume, dir := r.age(root); volume != 1 || dir != 1 {
			t.Errorf("after %s there are %d, %d of them in the directory", name, volume, dir)
		}
	}
}

// age has the time of all tombstones be over, and counts them.
func (r *rig) age(d *Node) (volume, dir int) {
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	for _, t := range r.v.behind {
		t.at = t.at.Add(-tombstoneFor)
	}
	return len(r.v.behind), len(d.dir.behind)
}

// TestTombstoneRenamed: it can be renamed to where its file has gone, and anywhere if
// that is gone.
func TestTombstoneRenamed(t *testing.T) {
	r := newRig(t, crypt.CTR)
	root := r.v.Root()
	var dirs []*Node
	for _, name := range []string{"y", "z"} {
		d, err := root.Mkdir(t.Context(), name, 0o755, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, d)
	}
	y, z := dirs[0], dirs[1]
	r.save("f", random(5))
	if err := root.Rename(t.Context(), "f", y, "f", 0); err != nil {
		t.Fatal(err)
	}
	if err := root.Rename(t.Context(), sideF, z, sideF, 0); !errors.Is(err, ErrNotExist) {
		t.Errorf("to where its file is not: %v", err)
	}
	if err := root.Rename(t.Context(), sideF, y, sideF, NoReplace); err != nil {
		t.Errorf("to where its file is: %v", err)
	}
	r.expectTombstone(root, sideF, false)
	r.sync()
	if n, err := y.Lookup(t.Context(), sideF); err != nil || n.Kind() != Sidecar {
		t.Errorf("beside its file there is %v, %v", n, err)
	}
	if err := y.Remove(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	if err := y.Rename(t.Context(), sideF, z, "anything", 0); err != nil {
		t.Errorf("after its file was removed: %v", err)
	}
	if _, err := z.Lookup(t.Context(), "anything"); !errors.Is(err, ErrNotExist) {
		t.Errorf("that has made something: %v", err)
	}
	r.expectTombstone(y, sideF, false)
}

// TestSidecarRenamed: renaming a sidecar changes nothing, replaces nothing, and leaves no
// tombstone behind when its file follows, unless somebody has been shown it meanwhile.
func TestSidecarRenamed(t *testing.T) {
	for _, shown := range []bool{false, true} {
		r := newRig(t, crypt.CTR)
		root := r.v.Root()
		r.save("f", random(5))
		r.save("other", random(5))
		if err := root.Rename(t.Context(), sideF, root, "other", 0); !errors.Is(err, ErrPermission) {
			t.Errorf("over a file: %v", err)
		}
		if err := root.Rename(t.Context(), sideF, root, "other", NoReplace); !errors.Is(err, ErrExist) {
			t.Errorf("over a file, which may not be: %v", err)
		}
		if err := root.Rename(t.Context(), sideF, root, "other", Exchange); !errors.Is(err, ErrPermission) {
			t.Errorf("exchanged: %v", err)
		}
		if err := root.Rename(t.Context(), sideF, root, "g.settings.json", 0); err != nil {
			t.Fatal(err)
		}
		if shown {
			if list, err := root.ReadDir(t.Context()); err != nil || !slices.ContainsFunc(list, func(e DirEntry) bool { return e.Name == sideF }) {
				t.Errorf("the directory lists %v, %v", list, err)
			}
		}
		if err := root.Rename(t.Context(), "f", root, "g", 0); err != nil {
			t.Fatal(err)
		}
		r.expectTombstone(root, sideF, shown)
		r.sync()
		if n := r.node("g.settings.json"); n.Kind() != Sidecar {
			t.Errorf("beside the file there is a %v", n.Kind())
		}
		r.expectObjects("g", "g.settings.json", "other", "other.settings.json")
	}
}

// TestWhoTakesSidecars: a program that comes from a tombstone finds nothing in its way,
// and then what it has put there; everybody else finds what there is.
func TestWhoTakesSidecars(t *testing.T) {
	const mover, other = 7, 8
	r := newRig(t, crypt.CTR)
	root := r.v.Root()
	y, err := root.Mkdir(t.Context(), "y", 0o755, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	r.save("f", random(5))
	if err := root.Rename(t.Context(), "f", y, "f", 0); err != nil {
		t.Fatal(err)
	}
	expect := func(when string, thread uint32, put, expected bool) {
		t.Helper()
		if n, e := y.Taking(sideF, thread); (n != nil) != put || e != expected {
			t.Errorf("%s, %d finds %v, %v", when, thread, n, e)
		}
	}
	expect("at first", mover, false, false)
	r.node(sideF).Ask(mover)
	expect("coming from a tombstone", mover, false, true)
	expect("coming from a tombstone", other, false, false)
	if err := root.Rename(t.Context(), sideF, y, sideF, NoReplace); err != nil {
		t.Fatal(err)
	}
	r.sync()
	expect("with the sidecar there", mover, false, false)
	side, err := y.Lookup(t.Context(), sideF)
	if err != nil {
		t.Fatal(err)
	}
	side.Ask(mover)
	if err := y.Rename(t.Context(), sideF, root, sideF, 0); err != nil {
		t.Fatal(err)
	}
	put, _ := root.Taking(sideF, mover)
	if put == nil {
		t.Fatal("what was moved is not there for who moved it")
	}
	if n, _ := root.Taking(sideF, other); n != nil {
		t.Error("it is there for others")
	}
	if _, err := put.Open(t.Context(), os.O_RDONLY, nil); !errors.Is(err, ErrStale) {
		t.Errorf("opened: %v", err)
	}
	if n, _ := root.Taking(sideF, mover); n != nil {
		t.Error("it is there after that")
	}
}

// TestMovedAndBack: a program that has moved a file and its sidecar, and moves them back at
// once, finds nothing in its way, whether the store has got to know of the first move or not.
func TestMovedAndBack(t *testing.T) {
	const mover = 7
	for _, settled := range []bool{true, false} {
		r := newRig(t, crypt.CTR)
		root := r.v.Root()
		y, err := root.Mkdir(t.Context(), "y", 0o755, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		r.save("f", random(5))
		r.sync()
		held := []string{"f", "y/f"}
		if settled {
			held = []string{"elsewhere"}
		}
		r.v.mu.Lock()
		busy := r.v.queue.AddLocked(nil, held...)
		r.v.mu.Unlock()
		for i, d := range []*Node{root, y, root, y} {
			to := y
			if i%2 == 1 {
				to = root
			}
			if err := d.Rename(t.Context(), "f", to, "f", NoReplace); err != nil {
				t.Fatal(err)
			}
			n, err := d.Lookup(t.Context(), sideF)
			if err != nil {
				t.Fatalf("move %d, settled %v: %v", i, settled, err)
			}
			n.Ask(mover)
			if put, expected := d.Taking(sideF, mover); put != nil || expected {
				t.Errorf("move %d, settled %v: where it comes from it finds %v, %v", i, settled, put, expected)
			}
			if _, expected := to.Taking(sideF, mover); !expected {
				t.Errorf("move %d, settled %v: something is in its way", i, settled)
			}
			if err := d.Rename(t.Context(), sideF, to, sideF, NoReplace); err != nil {
				t.Errorf("move %d, settled %v: %v", i, settled, err)
			}
			if settled {
				r.sync()
			}
		}
		r.v.mu.Lock()
		r.v.queue.FinishLocked(busy)
		r.v.mu.Unlock()
		r.sync()
		r.expectObjects("f", sideF, "y/")
	}
}

// TestSidecarOverATombstone: a program that takes a sidecar to where a tombstone of its
// name is, before its file, finds nothing in its way; who takes nothing finds the tombstone.
func TestSidecarOverATombstone(t *testing.T) {
	const mover, other = 7, 8
	r := newRig(t, crypt.CTR)
	root := r.v.Root()
	y, err := root.Mkdir(t.Context(), "y", 0o755, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	r.save("f", random(5))
	if err := root.Rename(t.Context(), "f", y, "f", 0); err != nil {
		t.Fatal(err)
	}
	r.sync()
	ask := func(d *Node, name string, thread uint32) {
		t.Helper()
		n, err := d.Lookup(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		n.Ask(thread)
	}
	expect := func(when string, d *Node, name string, thread uint32, want bool) {
		t.Helper()
		if _, expected := d.Taking(name, thread); expected != want {
			t.Errorf("%s, nothing is in the way of %d: %v", when, thread, expected)
		}
	}
	expect("before", root, sideF, mover, false)
	ask(y, sideF, mover)
	expect("coming from the sidecar", root, sideF, mover, true)
	expect("coming from the sidecar", root, sideF, other, false)
	if err := y.Rename(t.Context(), sideF, root, sideF, NoReplace); err != nil {
		t.Fatal(err)
	}
	expect("once it is taken", root, sideF, mover, false)
	ask(y, sideF, mover)
	if err := y.Remove(t.Context(), sideF); err != nil {
		t.Fatal(err)
	}
	expect("once it is removed", root, sideF, mover, false)
	ask(y, sideF, mover)
	ask(root, sideF, mover)
	expect("coming from the tombstone itself", root, sideF, mover, false)
	r.save("y/g", random(5))
	ask(y, "g"+sideF[1:], mover)
	expect("coming from another's sidecar", root, sideF, mover, false)
	ask(y, sideF, mover)
	r.v.mu.Lock()
	last, _ := r.v.askers.Get(mover)
	r.v.askers.Note(mover, last, 0)
	r.v.mu.Unlock()
	expect("two seconds after", root, sideF, mover, false)
	ask(y, sideF, mover)
	if err := y.Rename(t.Context(), "f", root, "f", NoReplace); err != nil {
		t.Fatal(err)
	}
	expect("coming from where its file was a moment ago", y, sideF, mover, false)
}
