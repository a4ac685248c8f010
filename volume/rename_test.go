package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/volume/naming"
)

// rename gives a path another name.
func (r *rig) rename(from, to string, flags RenameFlags) error {
	r.t.Helper()
	fromDir, fromName := path.Split(from)
	toDir, toName := path.Split(to)
	return r.node(strings.TrimSuffix(fromDir, "/")).Rename(r.t.Context(), fromName, r.node(strings.TrimSuffix(toDir, "/")), toName, flags)
}

func (r *rig) mustRename(from, to string, flags RenameFlags) {
	r.t.Helper()
	if err := r.rename(from, to, flags); err != nil {
		r.t.Fatalf("rename %s to %s: %v", from, to, err)
	}
}

func (r *rig) mkdir(p string) {
	r.t.Helper()
	dir, name := path.Split(p)
	if _, err := r.node(strings.TrimSuffix(dir, "/")).Mkdir(r.t.Context(), name, 0o755, 0, 0); err != nil {
		r.t.Fatalf("mkdir %s: %v", p, err)
	}
}

func (r *rig) symlink(p, target string) {
	r.t.Helper()
	dir, name := path.Split(p)
	if _, err := r.node(strings.TrimSuffix(dir, "/")).Symlink(r.t.Context(), name, target, 0, 0); err != nil {
		r.t.Fatalf("symlink %s: %v", p, err)
	}
}

// holds checks what a path shows: a file's content, "-> target" of a symlink,
// "dir" for a directory, "" for nothing.
func (r *rig) holds(when string, want map[string]string) {
	r.t.Helper()
	for p, content := range want {
		if got := r.shown(p); got != content {
			r.t.Errorf("%s: %s is %q, want %q", when, p, got, content)
		}
	}
}

func (r *rig) shown(p string) string {
	r.t.Helper()
	n := r.v.Root()
	for _, elem := range naming.Elements(p) {
		c, err := n.Lookup(r.t.Context(), elem)
		if errors.Is(err, ErrNotExist) {
			return ""
		}
		if err != nil {
			return err.Error()
		}
		n = c
	}
	switch n.Kind() {
	case Dir:
		return "dir"
	case Symlink:
		target, err := n.Readlink(r.t.Context())
		if err != nil {
			return err.Error()
		}
		return "-> " + target
	}
	return string(r.load(p))
}

// renameCases are renames in all their shapes: what is there, what is done, and
// what must be seen at once, after a crash at any moment, and in the end.
var renameCases = []struct {
	name    string
	before  func(r *rig)
	act     func(r *rig)
	after   map[string]string
	objects []string
}{
	{
		name:    "exchange of committed files",
		before:  func(r *rig) { r.save("a", []byte("one")); r.save("b", []byte("two")) },
		act:     func(r *rig) { r.mustRename("a", "b", Exchange) },
		after:   map[string]string{"a": "two", "b": "one"},
		objects: []string{"a", "a.settings.json", "b", "b.settings.json"},
	},
	{
		name:   "exchange between directories, twice",
		before: func(r *rig) { r.mkdir("d"); r.save("d/a", []byte("one")); r.save("b", []byte("two")) },
		act: func(r *rig) {
			r.mustRename("d/a", "b", Exchange)
			r.mustRename("b", "d/a", Exchange)
			r.mustRename("b", "d/a", Exchange)
		},
		after:   map[string]string{"d/a": "two", "b": "one"},
		objects: []string{"b", "b.settings.json", "d/", "d/a", "d/a.settings.json"},
	},
	{
		name:   "exchange of a draft and a committed file",
		before: func(r *rig) { r.save("f", []byte("old")); r.put("new", []byte("new")) },
		act:    func(r *rig) { r.mustRename("new", "f", Exchange) },
		after:  map[string]string{"f": "new", "new": "old"},
	},
	{
		name:    "a save by exchange with a local-only name",
		before:  func(r *rig) { r.save("f", []byte("old")); r.put("g~", []byte("new")) },
		act:     func(r *rig) { r.mustRename("g~", "f", Exchange) },
		after:   map[string]string{"f": "new", "g~": "old"},
		objects: []string{"f", "f.settings.json"},
	},
	{
		name: "exchange of directories",
		before: func(r *rig) {
			for _, f := range []string{"d/one", "d/sub/two", "e/three"} {
				if dir := path.Dir(f); r.shown(dir) == "" {
					r.mkdir(dir)
				}
				r.save(f, []byte(f))
			}
		},
		act:   func(r *rig) { r.mustRename("d", "e", Exchange) },
		after: map[string]string{"e/one": "d/one", "e/sub/two": "d/sub/two", "d/three": "e/three", "d/one": "", "e/three": "", "d/sub": ""},
		objects: []string{
			"d/", "d/three", "d/three.settings.json", "e/", "e/one", "e/one.settings.json", "e/sub/", "e/sub/two", "e/sub/two.settings.json",
		},
	},
	{
		name:    "exchange of a directory and a file",
		before:  func(r *rig) { r.mkdir("d"); r.save("d/x", []byte("x")); r.save("f", []byte("f")) },
		act:     func(r *rig) { r.mustRename("d", "f", Exchange) },
		after:   map[string]string{"d": "f", "f": "dir", "f/x": "x"},
		objects: []string{"d", "d.settings.json", "f/", "f/x", "f/x.settings.json"},
	},
	{
		name:    "exchange of a symlink and a file",
		before:  func(r *rig) { r.symlink("l", "f"); r.save("f", []byte("content")) },
		act:     func(r *rig) { r.mustRename("l", "f", Exchange) },
		after:   map[string]string{"f": "-> f", "l": "content"},
		objects: []string{"f", "l", "l.settings.json"},
	},
	{
		name:    "exchange with a draft that was to replace what stands there",
		before:  func(r *rig) { r.save("f", []byte("old")); r.save("g", []byte("g")); r.put("f~", []byte("new")) },
		act:     func(r *rig) { r.mustRename("f~", "f", 0); r.mustRename("g", "f", Exchange) },
		after:   map[string]string{"f": "g", "g": "new", "f~": ""},
		objects: []string{"f", "f.settings.json", "g", "g.settings.json"},
	},
	{
		name: "exchange of two drafts, the second of which was to replace what stands there",
		before: func(r *rig) {
			r.save("f", []byte("old"))
			r.put("f~", []byte("new"))
			r.put("g~", []byte("g"))
		},
		act: func(r *rig) {
			r.mustRename("g~", "g", 0)
			r.mustRename("f~", "f", 0)
			r.mustRename("g", "f", Exchange)
		},
		after:   map[string]string{"f": "g", "g": "new", "f~": "", "g~": ""},
		objects: []string{"f", "f.settings.json", "g", "g.settings.json"},
	},
	{
		name:    "exchange of a local-only symlink and a file",
		before:  func(r *rig) { r.symlink(".#l", "f"); r.save("f", []byte("content")) },
		act:     func(r *rig) { r.mustRename("f", ".#l", Exchange) },
		after:   map[string]string{"f": "-> f", ".#l": "content"},
		objects: []string{"f"},
	},
	{
		name:    "a backup and a new file, as editors make them",
		before:  func(r *rig) { r.save("f", []byte("old")) },
		act:     func(r *rig) { r.mustRename("f", "f~", 0); r.put("f", []byte("new")) },
		after:   map[string]string{"f": "new", "f~": "old"},
		objects: []string{"f", "f.settings.json"},
	},
	{
		name:    "a committed file to a local-only name and back",
		before:  func(r *rig) { r.save("f", random(300_000)) },
		act:     func(r *rig) { r.mustRename("f", "f~", 0); r.mustRename("f~", "f", 0) },
		after:   map[string]string{"f": string(random(300_000)), "f~": ""},
		objects: []string{"f", "f.settings.json"},
	},
	{
		name:    "a committed file over a local-only one, and that over another",
		before:  func(r *rig) { r.save("f", []byte("f")); r.put("x~", []byte("x")); r.save("g", []byte("g")) },
		act:     func(r *rig) { r.mustRename("f", "x~", 0); r.mustRename("x~", "g", 0) },
		after:   map[string]string{"g": "f", "x~": "", "f": ""},
		objects: []string{"g", "g.settings.json"},
	},
	{
		name: "local-only directories and symlinks",
		before: func(r *rig) {
			r.mkdir(".Trash-0")
			r.mkdir(".Trash-0/files")
			r.put(".Trash-0/files/x", []byte("x"))
			r.symlink(".#f", "user@host.1")
		},
		act:   func(r *rig) { r.mustRename(".#f", ".#g", 0) },
		after: map[string]string{".Trash-0": "dir", ".Trash-0/files": "dir", ".Trash-0/files/x": "x", ".#g": "-> user@host.1", ".#f": ""},
	},
	{
		name: "a local-only directory gets an ordinary name",
		before: func(r *rig) {
			r.mkdir("d~")
			r.mkdir("d~/sub")
			r.put("d~/sub/x", []byte("x"))
			r.symlink("d~/link", "sub/x")
		},
		act:     func(r *rig) { r.mustRename("d~", "d", 0) },
		after:   map[string]string{"d": "dir", "d/sub/x": "x", "d/link": "-> sub/x", "d~": ""},
		objects: []string{"d/", "d/link", "d/sub/", "d/sub/x", "d/sub/x.settings.json"},
	},
	{
		name: "a directory over an empty one",
		before: func(r *rig) {
			r.mkdir("d")
			r.save("d/x", []byte("x"))
			r.mkdir("e")
		},
		act:     func(r *rig) { r.mustRename("d", "e", 0) },
		after:   map[string]string{"d": "", "e/x": "x"},
		objects: []string{"e/", "e/x", "e/x.settings.json"},
	},
	{
		name: "a directory to the name of one that was just moved away",
		before: func(r *rig) {
			for _, d := range []string{"a", "b"} {
				r.mkdir(d)
				r.save(d+"/"+d, []byte(d))
			}
		},
		act: func(r *rig) {
			r.mustRename("b", "c", 0)
			r.mustRename("a", "b", 0)
			r.mkdir("a")
			r.put("a/new", []byte("new"))
		},
		after:   map[string]string{"c/b": "b", "b/a": "a", "b/b": "", "a/a": "", "a/new": "new"},
		objects: []string{"a/", "a/new", "a/new.settings.json", "b/", "b/a", "b/a.settings.json", "c/", "c/b", "c/b.settings.json"},
	},
	{
		name:   "a symlink over a file of a directory that is being moved, and away again",
		before: func(r *rig) { r.mkdir("d"); r.save("d/f", []byte("old")); r.symlink("l", "target") },
		act: func(r *rig) {
			r.mustRename("d", "e", 0)
			r.mustRename("l", "e/f", 0)
			r.remove("e/f")
		},
		after:   map[string]string{"d": "", "e/f": "", "l": ""},
		objects: []string{"e/"},
	},
	{
		name: "files over those of a directory that is being moved",
		before: func(r *rig) {
			r.mkdir("d")
			r.save("d/f", []byte("old"))
			r.save("d/g", []byte("old, too"))
			r.save("l", []byte("new"))
			r.put("m", []byte("newer"))
		},
		act: func(r *rig) {
			r.mustRename("d", "e", 0)
			r.mustRename("l", "e/f", 0)
			r.mustRename("m", "e/g", 0)
		},
		after:   map[string]string{"d": "", "e/f": "new", "l": "", "e/g": "newer"},
		objects: []string{"e/", "e/f", "e/f.settings.json", "e/g", "e/g.settings.json"},
	},
	{
		name:    "a draft over a committed file",
		before:  func(r *rig) { r.save("f", []byte("old")); r.put(".f.Ab3dEf", []byte("new")) },
		act:     func(r *rig) { r.mustRename(".f.Ab3dEf", "f", 0) },
		after:   map[string]string{"f": "new", ".f.Ab3dEf": ""},
		objects: []string{"f", "f.settings.json"},
	},
	{
		name:   "a file in place of a removed directory, and the reverse",
		before: func(r *rig) { r.mkdir("d"); r.save("d/x", []byte("x")); r.save("f", []byte("f")) },
		act: func(r *rig) {
			r.remove("d/x")
			if err := r.v.Root().Rmdir(r.t.Context(), "d"); err != nil {
				r.t.Fatal(err)
			}
			r.remove("f")
			r.put("d", []byte("file"))
			r.mkdir("f")
			r.put("f/x", []byte("y"))
		},
		after:   map[string]string{"d": "file", "f/x": "y"},
		objects: []string{"d", "d.settings.json", "f/", "f/x", "f/x.settings.json"},
	},
}

// put saves without waiting for the store: the file is promised by an fsync.
func (r *rig) put(name string, p []byte) {
	r.t.Helper()
	h := r.create(name, os.O_EXCL)
	r.write(h, p, 0)
	if err := h.Fsync(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	h.Release()
}

func (r *rig) remove(p string) {
	r.t.Helper()
	dir, name := path.Split(p)
	if err := r.node(strings.TrimSuffix(dir, "/")).Remove(r.t.Context(), name); err != nil {
		r.t.Fatalf("remove %s: %v", p, err)
	}
}

func TestRenameShapes(t *testing.T) {
	for _, c := range renameCases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, crypt.CTR)
			c.before(r)
			r.sync()
			c.act(r)
			r.holds("at once", c.after)
			r.sync()
			r.settleDrafts()
			r.holds("in the end", c.after)
			r.truthful()
			if c.objects != nil {
				r.expectObjects(c.objects...)
			}
			r.again("spool", c.after)
		})
	}
}

// again checks what a restart shows, and then, but for what is local-only, a new spool.
func (r *rig) again(name string, after map[string]string) {
	r.t.Helper()
	r.close()
	r.open(name)
	r.holds("after a restart", after)
	r.cold()
	for p, content := range after {
		if !r.v.rules.LocalOnly(p, naming.Mkstemp) {
			r.holds("cold", map[string]string{p: content})
		}
	}
}

// settleDrafts commits what nobody closed.
func (r *rig) settleDrafts() {
	r.t.Helper()
	for _, p := range r.v.Pending() {
		if p.What != Local.String() {
			if err := r.v.Sync(r.t.Context(), p.Path); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// TestCrashInTheMiddleOfRenames lets the store do so many changes and no more,
// crashes there, and comes back.
func TestCrashInTheMiddleOfRenames(t *testing.T) {
	for _, c := range renameCases {
		bubble(t, c.name, func(t *testing.T) {
			for allowed := int64(0); ; allowed++ {
				if crashAfter(t, c.before, c.act, c.after, c.objects, allowed) || t.Failed() {
					return
				}
			}
		})
	}
}

// crashAfter says whether all was done within the allowed changes of the store.
func crashAfter(t *testing.T, before, act func(*rig), after map[string]string, objects []string, allowed int64) (all bool) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.v.o.CloseTimeout = 20 * time.Second // so many of these run at once that a disk may take its time
	before(r)
	r.sync()
	var done atomic.Int64
	var refused atomic.Bool
	f.set(func(op, key string) error {
		if op == "begin" || done.Add(1) <= allowed {
			return nil
		}
		refused.Store(true)
		return errDown
	})
	when := fmt.Sprintf("%d changes done", allowed)
	act(r)
	r.holds(when, after)
	deadline := time.Now().Add(5 * time.Second)
	for !refused.Load() && len(r.unfinished()) > 0 && time.Now().Before(deadline) {
		time.Sleep(2 * time.Millisecond)
	}
	all = !refused.Load()
	r.crash(f, "after")
	r.holds(when+", after the crash", after)
	r.sync()
	r.settleDrafts()
	r.holds(when+", in the end", after)
	r.truthful()
	if objects != nil {
		r.expectObjects(objects...)
	}
	r.again("after", after)
	r.close()
	r.v = nil
	return all
}

// unfinished is what the volume still does by itself.
func (r *rig) unfinished() []Pending {
	var list []Pending
	for _, p := range r.v.Pending() {
		if p.What != Local.String() && p.What != Interrupted.String() && p.What != Writing.String() {
			list = append(list, p)
		}
	}
	return list
}

// TestDirectoryAttributesDoNotWaitForUploads: a chmod of the directory, and what
// is saved in it afterwards, do not wait for a file that takes long.
func TestDirectoryAttributesDoNotWaitForUploads(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.sync()
	var through atomic.Bool
	f.set(func(op, key string) error {
		if op == "put" && key == "d/slow" && !through.Load() {
			return errDown
		}
		return nil
	})
	slow := r.create("d/slow", os.O_TRUNC)
	r.write(slow, random(100), 0)
	closed := make(chan error, 1)
	go func() { closed <- slow.Flush(context.WithoutCancel(t.Context()), nil) }()
	mode := uint32(0o700)
	if _, err := r.node("d").SetAttr(t.Context(), nil, SetAttr{Mode: &mode}); err != nil {
		t.Fatal(err)
	}
	r.v.mu.Lock()
	r.v.changes.BeginDelayedLocked()
	r.v.mu.Unlock()
	r.save("d/quick", random(200))
	through.Store(true)
	if err := <-closed; err != nil && !errors.Is(err, ErrIO) {
		t.Error(err)
	}
	slow.Release()
	r.sync()
	r.expectObjects("d/", "d/quick", "d/quick.settings.json", "d/slow", "d/slow.settings.json")
}

// TestBlankDraftLeavesNoEntry: a file that was made durable while it was empty is
// not brought back, empty, after it was written and committed.
func TestBlankDraftLeavesNoEntry(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	h := r.create("a", os.O_TRUNC)
	if err := h.Fsync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.write(h, random(1000), 0)
	r.finish(h)
	r.crash(f, "after")
	if list := r.v.Pending(); len(list) != 0 {
		t.Errorf("pending after the crash: %+v", list)
	}
	if !bytes.Equal(r.load("a"), random(1000)) {
		t.Error("content differs")
	}
}

// TestCloseWaitsBehindAMovedDirectory: a file saved into a directory whose
// objects are still on their way waits for them, however long that takes, as
// long as they move.
func TestCloseWaitsBehindAMovedDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := newFlakyRig(t, crypt.CTR)
		r.o.CloseTimeout = 500 * time.Millisecond // far less than the move takes
		r.v.o.CloseTimeout = r.o.CloseTimeout
		r.mkdir("d")
		for i := range 30 {
			r.save(fmt.Sprintf("d/%d", i), random(10+i))
		}
		r.sync()
		turn := make(chan struct{}, 1) // one request after the other
		slow := func() {
			turn <- struct{}{}
			time.Sleep(8 * time.Millisecond)
			<-turn
		}
		f.slow.Store(&slow)
		r.mustRename("d", "e", 0)
		h := r.create("e/new", os.O_TRUNC)
		r.write(h, random(99), 0)
		start := time.Now()
		if err := h.Flush(t.Context(), nil); err != nil {
			t.Errorf("close: %v", err)
		}
		if took := time.Since(start); took < 2*r.o.CloseTimeout {
			t.Errorf("close waited %s: the test shows nothing", took)
		}
		h.Release()
		r.sync()
		r.truthful()
	})
}

// TestExchangedDraftGoesOn: a draft that has changed places with a file leaves its new
// name before that file has left it in the store. Nothing is to be seen there.
func TestExchangedDraftGoesOn(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable, r.o.Fresh = true, time.Millisecond
	r.open("spool-flaky")
	r.put("a", []byte("committed"))
	r.sync()
	f.set(func(op, _ string) error {
		if op == "delete" || op == "put" {
			return errDown
		}
		return nil
	})
	h := r.create("draft", os.O_TRUNC)
	r.write(h, []byte("new"), 0)
	r.mustRename("draft", "a", Exchange)
	r.mustRename("a", "b", 0)
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		r.holds("while the store fails", map[string]string{"draft": "committed", "b": "new"})
		if _, err := r.v.Root().Lookup(t.Context(), "a"); !errors.Is(err, ErrNotExist) {
			t.Fatalf("a: %v", err)
		}
	}
	f.set(nil)
	r.finish(h)
	r.sync()
	r.expectObjects("b", "b.settings.json", "draft", "draft.settings.json")
	r.truthful()
}

// TestMovedDirectoryKeepsItsAttributes: of a directory that is renamed before
// anybody has looked at it the marker is read all the same, and what is set
// afterwards goes over what that states.
func TestMovedDirectoryKeepsItsAttributes(t *testing.T) {
	synctest.Test(t, movedDirectoryKeepsItsAttributes)
}

func movedDirectoryKeepsItsAttributes(t *testing.T) {
	for _, kill := range []bool{false, true} {
		r, f := newFlakyRig(t, crypt.CTR)
		if _, err := r.v.Root().Mkdir(t.Context(), "d", 0o700, 3, 4); err != nil {
			t.Fatal(err)
		}
		r.sync()
		r.close()
		r.open("spool-flaky")
		f.set(func(op, _ string) error { // the move has to wait
			if op != "head" {
				return errDown
			}
			return nil
		})
		r.mustRename("d", "e", 0)
		if kill {
			r.crash(f, "after")
		}
		when := time.Unix(1_000_000_000, 0)
		if got := r.mode("e") & 0o777; got != 0o700 {
			t.Errorf("kill %v: mode %o", kill, got)
		}
		if _, err := r.node("e").SetAttr(t.Context(), nil, SetAttr{Mtime: &when}); err != nil {
			t.Fatal(err)
		}
		f.set(nil)
		r.sync()
		r.cold()
		a, err := r.node("e").Attr(t.Context())
		if err != nil || a.Mode&0o777 != 0o700 || a.UID != 3 || a.GID != 4 || !a.Mtime.Equal(when) {
			t.Errorf("kill %v: in the end %+v, %v", kill, a, err)
		}
	}
}

// lookFirst does something when an object has been looked at for the first time.
type lookFirst struct {
	store.Store
	key  string
	once sync.Once
	do   func()
}

func (l *lookFirst) Head(ctx context.Context, key string) (store.Info, error) {
	info, err := l.Store.Head(ctx, key)
	if key == l.key {
		l.once.Do(l.do)
	}
	return info, err
}

// TestFoundWhileItLeaves: a reader looks for a file that has another ETag, and is answered
// when it has been renamed: the new name has its sidecar nevertheless, and a listing that
// finds the ETag unchanged by the rename does not hide it.
func TestFoundWhileItLeaves(t *testing.T) {
	r := newRig(t, crypt.CTR)
	look := &lookFirst{Store: r.store}
	r.o.Store = look
	r.cold()
	r.save("f", []byte("content"))
	n := r.node("f")
	look.do = func() {
		look.key = "" // the rename's own looks are answered at once
		r.mustRename("f", "g", 0)
		r.sync()
	}
	look.key = "f"
	if !n.content.Relocate(t.Context()) {
		t.Error("it was not found")
	}
	if key, _ := n.content.Base.Place(); key != "g" {
		t.Errorf("it is said to be at %s", key)
	}
	if _, err := r.v.Root().Lookup(t.Context(), "g.settings.json"); err != nil {
		t.Errorf("its sidecar: %v", err)
	}
	r.holds("in the end", map[string]string{"g": "content"})
	r.truthful()
}

// TestDescribedWhileItsDirectoryArrives: a file is looked for at the places of a directory
// that moves. It leaves the one before it is looked at, and another file comes there.
func TestDescribedWhileItsDirectoryArrives(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.save("d/f", []byte("old"))
	r.sync()
	look := &lookFirst{Store: f, key: "e/f"}
	r.o.Store = look
	r.cold()
	f.set(func(op, key string) error {
		if op == "copy" {
			return errDown
		}
		return nil
	})
	r.mustRename("d", "e", 0)
	n := r.node("e/f")
	look.do = func() {
		f.set(nil)
		r.await(func(s Status) bool { return len(s.Changes) == 0 })
		r.mkdir("d")
		r.save("d/f", []byte("another one"))
		r.sync()
	}
	if a, err := n.Attr(t.Context()); err != nil || a.Size != 3 {
		t.Errorf("e/f has %d bytes, %v; it is another file", a.Size, err)
	}
	r.holds("in the end", map[string]string{"d/f": "another one", "e/f": "old"})
	r.sync()
	r.truthful()
}

// staleListing is a store that answers for one prefix with what it had there at first,
// once that has moved on.
type staleListing struct {
	store.Store
	prefix string
	old    atomic.Pointer[store.Page]
}

func (s *staleListing) List(ctx context.Context, prefix, delimiter, token string, most int) (store.Page, error) {
	if old := s.old.Load(); prefix == s.prefix && old != nil {
		return *old, nil
	}
	return s.Store.List(ctx, prefix, delimiter, token, most)
}

// TestListingFromBeforeAMove: a directory on its way is listed at its old place first,
// before a file of it moved, and at its new one then. The file is no other for that: it
// can be removed, and stays so.
func TestListingFromBeforeAMove(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprint("known: ", known), func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			r.mkdir("d")
			r.save("d/f", []byte("content"))
			r.sync()
			s := &staleListing{Store: f, prefix: "d/"}
			r.o.Store, r.o.Fresh = s, -1
			r.cold()
			old, err := s.List(t.Context(), "d/", "/", "", 0)
			if err != nil {
				t.Fatal(err)
			}
			f.set(func(op, key string) error {
				if op == "delete" && key == "d/" {
					return errDown // all has moved but the marker
				}
				return nil
			})
			var before *Node
			if known {
				if before = r.node("d/f"); before.describe(t.Context()) != nil {
					t.Fatal("it cannot be described")
				}
			}
			r.mustRename("d", "e", 0)
			f.await(t, "d/f", func(_ store.Info, err error) bool { return errors.Is(err, store.ErrNotExist) })
			s.old.Store(&old)
			if n := r.node("e/f"); known && n != before {
				t.Error("the file is another")
			}
			if err := r.node("e").Remove(t.Context(), "f"); err != nil {
				t.Fatal(err)
			}
			s.old.Store(nil)
			f.set(nil)
			r.sync()
			r.expectObjects("e/")
		})
	}
}

// lostCopy is a store whose first copy takes effect, and whose repeated request to
// complete it then finds no upload any more: the answer to the first got lost.
type lostCopy struct {
	store.Store
	lose atomic.Bool
}

func (s *lostCopy) Copy(ctx context.Context, c store.Copy) (store.Info, error) {
	info, err := s.Store.Copy(ctx, c)
	if err == nil && s.lose.CompareAndSwap(true, false) {
		return store.Info{}, fmt.Errorf("complete %s: %w", c.Target, store.ErrNoUpload)
	}
	return info, err
}

// TestRenameWhoseAnswerIsLost: the copy that was made is found, and the rename goes on.
func TestRenameWhoseAnswerIsLost(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.save("a", []byte("a"))
	r.save("d/f", []byte("f"))
	r.sync()
	s := &lostCopy{Store: f}
	r.o.Store = s
	r.cold()
	for _, names := range [][2]string{{"a", "b"}, {"d", "e"}} {
		s.lose.Store(true)
		r.mustRename(names[0], names[1], 0)
		r.sync()
		if s.lose.Load() {
			t.Errorf("no answer was lost to the rename of %s", names[0])
		}
	}
	r.expectObjects("b", "b.settings.json", "e/", "e/f", "e/f.settings.json")
	r.truthful()
	r.holds("in the end", map[string]string{"b": "a", "e/f": "f"})
}

// TestChangesThatFailForAnUnknownReason: whatever the store answers, a change of names is
// not given up because nobody knows what the answer means.
func TestChangesThatFailForAnUnknownReason(t *testing.T) {
	synctest.Test(t, changesThatFailForAnUnknownReason)
}

func changesThatFailForAnUnknownReason(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.save("a", []byte("a"))
	r.save("d/f", []byte("f"))
	r.save("gone", []byte("g"))
	r.sync()
	refused := map[string]bool{"copy a": false, "copy d/f": false, "delete gone": false}
	f.set(func(op, key string) error {
		if once, ok := refused[op+" "+key]; !ok || once {
			return nil
		}
		refused[op+" "+key] = true
		return errors.New("what a proxy makes up")
	})
	r.mustRename("a", "b", 0)
	r.mustRename("d", "e", 0)
	r.remove("gone")
	r.sync()
	f.set(nil)
	for what, once := range refused {
		if !once {
			t.Errorf("%s was not refused", what)
		}
	}
	r.expectObjects("b", "b.settings.json", "e/", "e/f", "e/f.settings.json")
	r.truthful()
	r.holds("in the end", map[string]string{"b": "a", "e/f": "f"})
}
