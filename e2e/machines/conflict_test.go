package machines

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// rewrite changes a file through an open descriptor, and closes it.
func (m *machine) rewrite(f *os.File, text string, outcome error) {
	m.t.Helper()
	m.do("write", func() error {
		if err := f.Truncate(0); err != nil {
			return err
		}
		_, err := f.WriteAt([]byte(text), 0)
		return err
	})
	m.finish(f, outcome)
}

// TestConflictOnChange: both open the file for change; who closes last gives
// way, hears of it, and both contents are there on both machines.
func TestConflictOnChange(t *testing.T) {
	r, a, b := newPair(t, nil)
	a.save("f.txt", "one")
	b.sees("f.txt", "one")
	fa, fb := a.open("f.txt", os.O_RDWR), b.open("f.txt", os.O_RDWR)
	a.rewrite(fa, "from a", nil)
	b.rewrite(fb, "from b", syscall.ESTALE)
	agree(r, map[string]string{"f.txt": "from a", "f (conflict).txt": "from b"}, a, b)
	// Who has seen the newer version replaces it without further ado.
	b.save("f.txt", "from b, later")
	agree(r, map[string]string{"f.txt": "from b, later", "f (conflict).txt": "from b"}, a, b)
	unmount(a, b)
}

// TestConflictAfterNews: the other's version has long been shown when the
// descriptor of the old one is written.
func TestConflictAfterNews(t *testing.T) {
	r, a, b := newPair(t, nil)
	a.save("f.txt", "one")
	b.sees("f.txt", "one")
	fb := b.open("f.txt", os.O_RDWR)
	a.save("f.txt", "from a")
	b.sees("f.txt", "from a")
	b.rewrite(fb, "from b", syscall.ESTALE)
	agree(r, map[string]string{"f.txt": "from a", "f (conflict).txt": "from b"}, a, b)
	unmount(a, b)
}

// TestConflictOnCreate: both make the same new name; a long file, too, whose
// parts left before the other's version came.
func TestConflictOnCreate(t *testing.T) {
	r, a, b := newPair(t, nil)
	long := strings.Repeat("a long file from b, in several parts\n", 1_000_000)
	flags := os.O_RDWR | os.O_CREATE
	fa, fb, fl := a.open("f", flags), b.open("f", flags), b.open("long.bin", flags)
	b.do("write", func() error { _, err := fl.WriteString(long); return err })
	a.save("long.bin", "from a")
	a.rewrite(fa, "from a", nil)
	b.rewrite(fb, "from b", syscall.ESTALE)
	b.finish(fl, syscall.ESTALE)
	agree(r, map[string]string{
		"f": "from a", "f (conflict)": "from b", "long.bin": "from a", "long (conflict).bin": long,
	}, a, b)
	unmount(a, b)
}

// TestConflictOnRename: a save by rename is finished behind, and cannot tell;
// all the more both contents must be there.
func TestConflictOnRename(t *testing.T) {
	r, a, b := newBehind(t, map[string]string{"f.txt": "one"})
	b.save("f.new", "from b")
	b.save("g.new", "from b, too")
	b.misses("g.txt")
	a.save("f.txt", "from a")
	a.save("g.txt", "from a, too")
	b.rename("f.new", "f.txt")
	b.rename("g.new", "g.txt")
	a, b = again(a, b)
	agree(r, map[string]string{
		"f.txt": "from a", "f (conflict).txt": "from b", "g.txt": "from a, too", "g (conflict).txt": "from b, too",
	}, a, b)
	unmount(a, b)
}

// TestConflictOfTemporaryFile: as rsync and editors save, under a local-only name first.
func TestConflictOfTemporaryFile(t *testing.T) {
	rig.Need(t, "rsync")
	r, a, b := newBehind(t, map[string]string{"f.txt": "one"})
	source := t.TempDir() + "/f.txt"
	if err := os.WriteFile(source, []byte("from b, by rsync"), 0o644); err != nil {
		t.Fatal(err)
	}
	a.save("f.txt", "from a")
	b.Run("rsync", "--ignore-times", source, "f.txt")
	a, b = again(a, b)
	agree(r, map[string]string{"f.txt": "from a", "f (conflict).txt": "from b, by rsync"}, a, b)
	unmount(a, b)
}

// TestRemovedAndOverwritten: the unlink of a version does not remove a newer one,
// and a save over a version that was removed elsewhere is not lost.
func TestRemovedAndOverwritten(t *testing.T) {
	r, a, b := newBehind(t, map[string]string{"f": "one", "g": "one", "h": "one"})
	a.save("f", "from a")
	b.remove("f")
	fb := b.open("g", os.O_RDWR)
	a.remove("g")
	finished(r, t, "f", "h")
	b.rewrite(fb, "from b", syscall.ESTALE)
	b.save("h.new", "from b")
	a.remove("h")
	b.until(20*time.Second, "h is gone from S3", func() error {
		if slices.Contains(r.Keys(), rig.Prefix+"h") {
			return errors.New("it is there")
		}
		return nil
	})
	b.rename("h.new", "h")
	a, b = again(a, b)
	agree(r, map[string]string{"f": "from a", "g (conflict)": "from b", "h": "from b"}, a, b)
	unmount(a, b)
}

// TestRenamedAndOverwritten: the rename is of the name: the version that another
// machine has saved under it meanwhile goes along, with its own sidecar.
func TestRenamedAndOverwritten(t *testing.T) {
	r, a, b := newPair(t, nil)
	a.save("f", "one")
	b.sees("f", "one")
	a.save("f", "from a")
	b.rename("f", "g")
	agree(r, map[string]string{"g": "from a"}, a, b)
	unmount(a, b)
}

// TestRenamedOnTwoMachines: each gives the file another name before it hears of the other's
// rename: both names have the version, and nothing else has its key.
func TestRenamedOnTwoMachines(t *testing.T) {
	r, a, b := newBehind(t, map[string]string{"f": "one"})
	both := make(chan struct{})
	r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
		if q.Op != "DeleteObject" {
			return s3test.Fault{}
		}
		return s3test.Fault{Gate: both} // the old name stays until both have copied it
	})
	a.rename("f", "g")
	b.rename("f", "h")
	a.until(20*time.Second, "both names are in S3", func() error {
		if n := len(r.Keys()); n != 6 {
			return fmt.Errorf("%d objects", n)
		}
		return nil
	})
	close(both)
	a, b = again(a, b)
	r.Settle(20*time.Second, []string{"g", "h"})
	want := map[string]string{"g": "one", "h": "one"}
	for _, m := range []*machine{a, b} {
		m.do("read all", func() error {
			if got := m.tree(); !maps.Equal(got, want) {
				return fmt.Errorf("the mount shows %s", brief(got))
			}
			return nil
		})
	}
	if got, sum := r.ProofWithCopies(), digest("one"); !maps.Equal(got, map[string]string{"g": sum, "h": sum}) {
		t.Errorf("the bucket holds %q", got)
	}
	unmount(a, b)
}

// TestAttributesAndContent: a change of mode here and of content there come to one file with both.
func TestAttributesAndContent(t *testing.T) {
	r, a, b := newPair(t, nil)
	a.save("f", "one")
	a.save("g", "one")
	b.sees("f", "one")
	b.sees("g", "one")
	b.do("chmod", func() error { return os.Chmod(b.Path("f"), 0o600) }) // written behind, after the save
	a.save("f", "from a")
	fa := a.open("g", os.O_RDWR)
	b.do("chmod", func() error { return os.Chmod(b.Path("g"), 0o600) })
	b.until(10*time.Second, "chmod reaches S3", func() error {
		if mode := r.Get(rig.Prefix + "g" + rig.SidecarSuffix).Meta["mode"]; mode != "33152" {
			return fmt.Errorf("mode is %q", mode)
		}
		return nil
	})
	a.rewrite(fa, "from a", nil)
	agree(r, map[string]string{"f": "from a", "g": "from a"}, a, b)
	for _, m := range []*machine{a, b} {
		for _, name := range []string{"f", "g"} {
			m.until(seenIn+slack, "see the mode of "+name, func() error {
				info, err := os.Lstat(m.Path(name))
				if err == nil && info.Mode().Perm() != 0o600 {
					return &os.PathError{Op: "mode " + info.Mode().String(), Path: name, Err: syscall.EINVAL}
				}
				return err
			})
		}
	}
	unmount(a, b)
}

// TestDirectoriesAndFilesBelow: a directory is removed or renamed while another
// machine makes and changes files below it.
func TestDirectoriesAndFilesBelow(t *testing.T) {
	r, a, b := newPair(t, nil)
	a.Shell(`mkdir gone moved; echo one >moved/f; echo one >moved/h`)
	finished(r, t, "gone/", "moved/", "moved/f", "moved/h")
	b.sees("moved/f", "one\n")
	b.Shell(`ls gone moved`)
	fa := a.open("gone/new", os.O_WRONLY|os.O_CREATE) // before a can see that its directory is removed
	b.do("rmdir", func() error { return os.Remove(b.Path("gone")) })
	a.do("write", func() error { _, err := fa.WriteString("from a"); return err })
	a.finish(fa, nil)
	a.save("moved/f", "from a")
	a.save("moved/g", "from a")
	b.rename("moved", "there")
	agree(r, map[string]string{
		"gone": "dir", "gone/new": "from a", "there": "dir", "there/f": "from a", "there/g": "from a", "there/h": "one\n",
	}, a, b)
	unmount(a, b)
}

// TestBaseIsGone: bytes of the version that a draft is based on are needed, and
// gone. Nothing wrong is published, and close tells.
func TestBaseIsGone(t *testing.T) {
	r, a, b := newPair(t, nil)
	a.save("f", strings.Repeat("one", 1_000_000))
	b.until(seenIn+slack, "see f", func() error { _, err := os.Stat(b.Path("f")); return err })
	fb := b.open("f", os.O_RDWR)
	b.do("write", func() error { _, err := fb.WriteAt(make([]byte, 65536), 65536); return err })
	a.remove("f")
	finished(r, t)
	b.finish(fb, syscall.ESTALE)
	if entries, err := os.ReadDir(b.Spool + "/quarantine"); err != nil || len(entries) == 0 {
		t.Errorf("the draft is not in quarantine: %v", err)
	}
	inBucket(r, t, nil)
	unmount(a, b)
}

// TestCopiedOntoItself: a tool that copies objects onto themselves changes their
// ETags and not their content: that is no conflict.
func TestCopiedOntoItself(t *testing.T) {
	r, a, b := newPair(t, nil)
	text := strings.Repeat("one two three\n", 100_000)
	a.save("f", text)
	b.until(seenIn+slack, "see f", func() error { _, err := os.Stat(b.Path("f")); return err })
	fb := b.open("f", os.O_RDWR)
	b.do("write", func() error { _, err := fb.WriteAt([]byte("ONE"), 0); return err })
	before := r.Get(rig.Prefix + "f")
	r.CopyOnto(rig.Prefix + "f")
	if r.Get(rig.Prefix+"f").ETag == before.ETag {
		t.Fatal("the ETag is the same: what this test is for was not tried")
	}
	b.finish(fb, nil)
	agree(r, map[string]string{"f": "ONE" + text[3:]}, a, b)
	unmount(a, b)
}
