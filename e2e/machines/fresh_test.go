package machines

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
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
	half, whole := b.open("half", os.O_RDONLY), b.open("whole", os.O_RDONLY)
	mapped := b.maps("mapped", size)
	buf := make([]byte, size)
	b.do("read the beginning", func() error {
		_, err := half.ReadAt(buf[:64<<10], 0)
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
		if n, err := whole.ReadAt(buf, 0); err != nil || slices.Contains(buf[:n], 'b') {
			return fmt.Errorf("cached whole: %d bytes, %w", n, err)
		}
		return errors.Join(half.Close(), whole.Close())
	})
	b.do("read the map on", mapped)
	unmount(a, b)
}

func init() { rig.Role("map", readMap) }

// readMap maps a file of a's, says so once it has read the first, and reads all of
// the map when its standard input ends.
func readMap(args []string) error {
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	pages, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	if pages[0] != 'a' {
		return errors.New("the map does not begin with the old version")
	}
	fmt.Println("mapped")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return errors.Join(onlyOld(pages), syscall.Munmap(pages))
}

// maps has another process map a file; rest reads the map to its end.
func (m *machine) maps(name string, size int) (rest func() error) {
	m.t.Helper()
	cmd := rig.As(m.t, "map", m.Path(name), strconv.Itoa(size))
	var said strings.Builder
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	rest = func() error {
		err := in.Close()
		if ended := cmd.Wait(); ended != nil {
			err = fmt.Errorf("%w: %s", ended, said.String())
		}
		return err
	}
	m.do("map "+name, func() error {
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			return errors.Join(fmt.Errorf("it said %q: %w", line, err), rest())
		}
		return nil
	})
	return rest
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
