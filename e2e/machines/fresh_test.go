package machines

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFresh: what one machine changes the other shows within the configured
// time and the kernel's second; a changed file is another inode.
func TestFresh(t *testing.T) {
	r, a, b := newPair(t, nil)
	a.Shell(`mkdir d e; for f in changed removed renamed chmodded d/below; do echo one >$f; done; ln -s one link`)
	for _, name := range []string{"changed", "removed", "renamed", "chmodded", "d/below"} {
		b.sees(name, "one\n")
	}
	b.Shell(`ls -lR >/dev/null`)
	before := b.inode("changed")
	a.save("changed", "another content, longer than one")
	b.until(seenIn+slack, "see another size", func() error {
		info, err := os.Stat(b.Path("changed"))
		if err == nil && info.Size() != 32 {
			err = fmt.Errorf("size %d", info.Size())
		}
		return err
	})
	b.sees("changed", "another content, longer than one")
	if b.inode("changed") == before {
		t.Error("a changed file has the inode number of the old version")
	}
	a.Shell(`echo new >new; rm removed; mv renamed called; mkdir made; rmdir e; echo two >d/below; ln -s two link2; chmod 640 chmodded`)
	b.sees("new", "new\n")
	b.misses("removed")
	b.misses("renamed")
	b.sees("called", "one\n")
	b.sees("d/below", "two\n")
	b.misses("e")
	b.until(seenIn+slack, "see a directory and a link", func() error {
		target, err := os.Readlink(b.Path("link2"))
		if err == nil && target != "two" {
			err = fmt.Errorf("the link leads to %q", target)
		}
		_, other := os.ReadDir(b.Path("made"))
		return errors.Join(err, other)
	})
	const debounce = 2 * time.Second
	b.until(debounce+seenIn+slack, "see a mode", func() error {
		info, err := os.Stat(b.Path("chmodded"))
		if err == nil && info.Mode().Perm() != 0o640 {
			err = fmt.Errorf("mode %v", info.Mode())
		}
		return err
	})
	unmount(a, b)
	r.Settle(time.Second, []string{"called", "changed", "chmodded", "d/", "d/below", "made/", "new"}, "link", "link2")
}

// TestOneVersionPerOpen: who has the old version open, half read or mapped, goes
// on with it or gets an error; never a byte of the new one (P8).
func TestOneVersionPerOpen(t *testing.T) {
	_, a, b := newPair(t, nil)
	const size = 9 << 20
	before, after := strings.Repeat("a", size), strings.Repeat("b", size)
	for _, name := range []string{"half", "mapped", "whole"} {
		a.save(name, before)
	}
	b.sees("whole", before) // read whole: kept, and read on
	half, mapped, whole := b.open("half", os.O_RDONLY), b.open("mapped", os.O_RDONLY), b.open("whole", os.O_RDONLY)
	var page []byte
	buf := make([]byte, size)
	b.do("read the beginning", func() (err error) {
		if _, err = half.ReadAt(buf[:64<<10], 0); err != nil {
			return err
		}
		if page, err = syscall.Mmap(int(mapped.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED); err != nil {
			return err
		}
		if page[0] != 'a' {
			err = errors.New("the map does not begin with the old version")
		}
		return err
	})
	for _, name := range []string{"half", "mapped", "whole"} {
		a.save(name, after)
	}
	for _, name := range []string{"half", "mapped", "whole"} {
		b.sees(name, after)
	}
	b.do("read on", func() error {
		n, err := half.ReadAt(buf, 0)
		if slices.Contains(buf[:n], 'b') || err != nil && !errors.Is(err, syscall.ESTALE) {
			return fmt.Errorf("half read: %d bytes, %w", n, err)
		}
		if err := onlyOld(page); err != nil {
			return err
		}
		if n, err := whole.ReadAt(buf, 0); err != nil || slices.Contains(buf[:n], 'b') {
			return fmt.Errorf("cached whole: %d bytes, %w", n, err)
		}
		return errors.Join(syscall.Munmap(page), half.Close(), mapped.Close(), whole.Close())
	})
	unmount(a, b)
}

// onlyOld reads a map; a page that cannot be had any more is a fault.
func onlyOld(page []byte) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = nil // SIGBUS: the version is gone
		}
	}()
	for i := 0; i < len(page); i += 4096 {
		if page[i] != 'a' {
			return fmt.Errorf("the map shows %q at %d", page[i], i)
		}
	}
	return nil
}
