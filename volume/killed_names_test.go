package volume

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
	dirs "mcfs/volume/listing"
)

// TestKillDuringAMoveKeepsAttributes: attributes that were set of a file on its way
// with its directory are written where it is, though it had arrived there before the kill.
func TestKillDuringAMoveKeepsAttributes(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.save("d/a", []byte("content"))
	r.sync()
	fails := func(what, of string) func(op, key string) error {
		return func(op, key string) error {
			if op == what && key == of {
				return errDown
			}
			return nil
		}
	}
	f.set(fails("copy", "d/a"))
	r.mustRename("d", "e", 0)
	if err := r.node("e/a").SetXattr(t.Context(), "user.note", []byte("kept"), false, false); err != nil {
		t.Fatal(err)
	}
	if err := r.v.Root().Fsync(); err != nil {
		t.Fatal(err)
	}
	f.set(fails("delete", "d/"))
	for deadline := time.Now().Add(10 * time.Second); !slices.Contains(r.objects(), "e/"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not move: %q", r.objects())
		}
	}
	r.crash(f, "after")
	r.sync()
	r.cold()
	if got, err := r.node("e/a").GetXattr(t.Context(), "user.note"); err != nil || string(got) != "kept" {
		t.Errorf("user.note is %q, %v", got, err)
	}
	r.truthful()
}

// TestKillAfterRemovalWithAttributes: what was set of a file's attributes waits to be
// written, and does not bring the file back when that was removed before a kill.
func TestKillAfterRemovalWithAttributes(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", []byte("content"))
	r.sync()
	if err := r.node("a").SetXattr(t.Context(), "user.note", []byte("set"), false, false); err != nil {
		t.Fatal(err)
	}
	f.set(func(op, key string) error {
		if op == "delete" {
			return errDown
		}
		return nil
	})
	r.mustRename("a", "a~", 0)
	r.await(func(s Status) bool {
		return slices.ContainsFunc(s.Changes, func(c ChangeStatus) bool { return c.Failure != nil })
	})
	r.remove("a~")
	after := filepath.Join(r.home, "after")
	if err := errors.Join(os.Mkdir(after, 0o700), os.Mkdir(filepath.Join(after, "journal"), 0o700)); err != nil {
		t.Fatal(err)
	}
	journal, err := os.ReadFile(filepath.Join(r.spoolDir(), "journal", "log")) // at once, not as crash does; nothing else matters
	if err := errors.Join(err, os.WriteFile(filepath.Join(after, "journal", "log"), journal, 0o600)); err != nil {
		t.Fatal(err)
	}
	r.throwAway(f)
	r.openCopy(f, "after", nil)
	r.holds("after the kill", map[string]string{"a": "", "a~": ""})
	r.sync()
	r.expectObjects()
}

// TestKillKeepsAttributesOfMovedDirectories: what the mount knew of a directory when that
// was renamed, the next one knows without the store, in which other markers may stand
// at its name until it has moved.
func TestKillKeepsAttributesOfMovedDirectories(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	modes := map[string]uint32{"d": 0o700, "e": 0o750}
	for name, mode := range modes {
		r.mkdir(name)
		r.chmod(name, mode)
		r.save(name+"/in "+name, []byte(name))
	}
	r.save("a", []byte("a"))
	r.sync()
	check := func(when string) {
		t.Helper()
		for name, mode := range modes {
			if got := r.mode(name) & 0o777; got != mode {
				t.Errorf("%s: %s has mode %o, not %o", when, name, got, mode)
			}
		}
	}
	check("before")
	r.v.mu.Lock()
	for name := range modes { // as a listing does that shows another marker
		d := r.v.Root().dir.Get(name)
		r.v.noteMarker(d, dirs.Names{"": {Object: &store.Info{ETag: "other"}}})
	}
	r.v.mu.Unlock()
	f.set(down)
	r.mustRename("a", "d/a", 0) // of which the journal knows, and so of the directory, before its move
	r.mustRename("d", "e", Exchange)
	modes["d"], modes["e"] = modes["e"], modes["d"]
	check("at once")
	r.crash(f, "after")
	f.set(down)
	check("after the kill")
	f.set(nil)
	r.sync()
	check("in the end")
	r.holds("in the end", map[string]string{"d/in e": "e", "e/in d": "d", "e/a": "a"})
	r.cold()
	check("cold")
}

// TestKillAfterTimesWereSetAndOverwritten: times that were set of a file's last version, and
// are still to be written, are not those of the version that has just arrived.
func TestKillAfterTimesWereSetAndOverwritten(t *testing.T) {
	for name, wait := range map[string]time.Duration{"at once": 0, "when the journal has all": 200 * time.Millisecond} {
		t.Run(name, func(t *testing.T) { killAfterTimesWereSet(t, wait) })
	}
}

func killAfterTimesWereSet(t *testing.T, wait time.Duration) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("a", []byte("old"))
	r.sync()
	long := time.Unix(118570974, 685363742)
	if _, err := r.node("a").SetAttr(t.Context(), nil, SetAttr{Mtime: &long}); err != nil {
		t.Fatal(err)
	}
	raw := f.Store
	request := hold(raw, "a")
	f.Store = request
	r.save("a", []byte("new"))
	<-request.begun
	f.set(down)
	r.mustRename("a", "b", 0)
	close(request.let)
	<-request.put
	time.Sleep(wait)
	bury := r.killHolding(f, raw, "after")
	r.holds("after the kill", map[string]string{"a": "", "b": "new"})
	r.sync()
	a, err := r.node("b").Attr(t.Context())
	if err != nil || a.Mtime.Equal(long) {
		t.Errorf("mtime is %v, that of the version before; %v", a.Mtime, err)
	}
	r.truthful()
	r.cold()
	if a, err := r.node("b").Attr(t.Context()); err != nil || a.Mtime.Equal(long) {
		t.Errorf("elsewhere mtime is %v, that of the version before; %v", a.Mtime, err)
	}
	bury()
}

// TestKillAndReadWhatMovesTwice: a file was renamed out of a directory that is still on its
// way, half of which an earlier mount has done. It can be read all the while.
func TestKillAndReadWhatMovesTwice(t *testing.T) { synctest.Test(t, killAndReadWhatMovesTwice) }

func killAndReadWhatMovesTwice(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.mkdir("e")
	r.save("d/c", []byte("content"))
	r.save("e/x", []byte("x"))
	r.sync()
	stuck := func(op, key string) error {
		if op == "copy" && key == "e/x" {
			return errDown
		}
		return nil
	}
	f.set(down)
	r.mustRename("d", "e", Exchange)
	r.mustRename("e/c", "top", 0)
	f.set(stuck)
	r.await(func(s Status) bool { return len(s.Changes) == 3 }) // the first of three moves is done
	r.crash(f, "after")
	f.set(stuck)
	r.holds("after the kill", map[string]string{"top": "content", "d/x": "x"})
	f.set(nil)
	r.sync()
	r.cold()
	r.holds("cold", map[string]string{"top": "content", "d/x": "x"})
	r.truthful()
}

// TestKillDuringACommitBeforeItsDirectoryMoves: the sidecar of what the commit was to
// replace is withdrawn. When the next mount moves that, and commits then, the file has
// the attributes that it had.
func TestKillDuringACommitBeforeItsDirectoryMoves(t *testing.T) {
	synctest.Test(t, killDuringACommitBeforeItsDirectoryMoves)
}

func killDuringACommitBeforeItsDirectoryMoves(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.save("d/f", []byte("old"))
	r.chmod("d/f", 0o600)
	r.sync()
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	if got := r.mode("d/f") & 0o777; got != 0o600 {
		t.Fatalf("before: mode %o", got)
	}
	f.set(func(op, key string) error {
		if op == "put" && key == "d/f" {
			return errDown
		}
		return nil
	})
	r.save("d/f", []byte("new"))
	f.await(t, "d/f.settings.json", func(_ store.Info, err error) bool { return errors.Is(err, store.ErrNotExist) })
	r.mustRename("d", "e", 0)
	r.crash(f, "after")
	f.set(func(op, key string) error {
		if op == "put" && key == "e/f" || op == "delete" && key == "d/" {
			return errDown // the commit has to wait, and the move does not end
		}
		return nil
	})
	f.await(t, "e/f.settings.json", func(_ store.Info, err error) bool { return err == nil })
	r.crash(f, "again")
	r.sync()
	for range 2 {
		if got := r.mode("e/f") & 0o777; got != 0o600 {
			t.Errorf("mode %o", got)
		}
		r.holds("in the end", map[string]string{"e/f": "new"})
		r.cold()
	}
}

// TestKillAndReadWhatWaitsAside: a file that changes places with another waits under a
// name of its own, in a directory that is to move when it has left that. It can be read
// all the while.
func TestKillAndReadWhatWaitsAside(t *testing.T) { synctest.Test(t, killAndReadWhatWaitsAside) }

func killAndReadWhatWaitsAside(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.symlink("d/l", "target")
	r.save("d/f", []byte("f"))
	r.save("a", []byte("a"))
	r.save("b", []byte("b"))
	r.sync()
	stuck := func(op, key string) error {
		if op == "copy" && (key == "a" || key == "b") {
			return errDown
		}
		return nil
	}
	f.set(down)
	r.mustRename("d/f", "a", Exchange)
	r.mustRename("d/l", "b", Exchange)
	r.mustRename("d", "e", 0)
	f.set(stuck)
	r.await(func(s Status) bool { return len(s.Changes) == 5 }) // two of seven are done
	r.crash(f, "after")
	f.set(stuck)
	r.holds("after the kill", map[string]string{"a": "f", "e/f": "a", "e/l": "b"})
	if got, err := r.node("b").Readlink(t.Context()); got != "target" {
		t.Errorf("after the kill b leads to %q, %v", got, err)
	}
	f.set(nil)
	r.sync()
	r.cold()
	r.holds("cold", map[string]string{"a": "f", "e/f": "a", "e/l": "b"})
	r.truthful()
}

// TestKillsAfterACommitAndARename: a commit had arrived at the first kill, and newer
// content was promised under another name since. The next mount takes the version there,
// and is killed: the one after it finds the version where it is.
func TestKillsAfterACommitAndARename(t *testing.T) {
	for what, rename := range map[string]func(r *rig) (name string){
		"the file":      func(r *rig) string { r.mustRename("d/a", "b", 0); return "b" },
		"its directory": func(r *rig) string { r.mustRename("d", "e", 0); return "e/a" },
	} {
		bubble(t, what, func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			r.mkdir("d")
			r.save("d/a", []byte("first"))
			r.sync()
			r.close()
			r.o.SpoolDurable = true
			r.open("spool-flaky")
			f.set(func(op, key string) error {
				if op == "put" && key == "d/a.settings.json" {
					return errDown
				}
				return nil
			})
			r.save("d/a", []byte("second"))
			f.await(t, "d/a", func(info store.Info, err error) bool { return err == nil && info.Size == 6 })
			h := r.create("d/a", os.O_TRUNC)
			r.write(h, []byte("the third"), 0)
			if err := h.Fsync(t.Context()); err != nil {
				t.Fatal(err)
			}
			name := rename(r)
			r.crash(f, "after")
			f.await(t, "d/a", func(_ store.Info, err error) bool { return errors.Is(err, store.ErrNotExist) })
			r.crash(f, "again")
			r.sync()
			r.holds("in the end", map[string]string{name: "the third"})
			for _, key := range r.objects() {
				if strings.Contains(key, "conflict") {
					t.Errorf("there is %q", key)
				}
			}
			h.Release()
		})
	}
}
