package posix

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

// TestMap runs each row about mmap(2) in a plain directory and in the mount.
func TestMap(t *testing.T) {
	b := start(t, nil)
	for _, c := range []struct {
		name  string
		steps func(x *trace)
	}{
		{"map_read", mapRead}, {"map_write", mapWrite}, {"map_private", mapPrivate}, {"map_after_close", mapAfterClose},
	} {
		t.Run(c.name, func(t *testing.T) { b.same(t, c.name, c.steps) })
	}
	b.prove(t)
	b.finish()
}

// maps maps the first bytes of a descriptor's file.
func (x *trace) maps(fd string, length, protection, flags int) []byte {
	p, err := unix.Mmap(x.fds[fd], 0, length, protection, flags)
	x.note("map %s: %s", fd, outcome(err))
	if err != nil {
		p = make([]byte, length) // so that the steps go on
	}
	return p
}

// mapRead reads through a map what was written before and after it was made.
func mapRead(x *trace) {
	x.open("a", "f", unix.O_CREAT|unix.O_RDWR)
	x.write("a", noise(1, 3*block+5))
	p := x.maps("a", 4*block, unix.PROT_READ, unix.MAP_SHARED)
	x.note("mapped: %s", sum(p[:3*block+4096]))
	x.pwrite("a", noise(2, 100), block-50)
	x.note("mapped: %s", sum(p[:3*block+4096]))
	x.close("a")
	x.note("mapped: %s", sum(p[:3*block+4096]))
	x.done("unmap", unix.Munmap(p))
	x.open("a", "f", unix.O_RDONLY) // committed by now
	p = x.maps("a", 3*block, unix.PROT_READ, unix.MAP_SHARED)
	x.note("mapped: %s", sum(p))
	x.done("unmap", unix.Munmap(p))
	_, err := unix.Mmap(x.fds["a"], 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	x.done("map for writing what is open for reading", err)
	x.close("a")
}

// mapWrite writes through a map, syncs, and reads by descriptor, and the other way round.
func mapWrite(x *trace) {
	x.open("a", "f", unix.O_CREAT|unix.O_RDWR)
	x.truncate("a", 4*block)
	p := x.maps("a", 4*block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	copy(p[100:], noise(1, 2*block))
	x.done("msync", unix.Msync(p, unix.MS_SYNC))
	x.look("a")
	x.pwrite("a", noise(2, 1000), 3*block)
	x.note("mapped: %s", sum(p))
	copy(p[3*block+500:], noise(3, 1000))
	x.look("a")
	x.done("msync", unix.Msync(p, unix.MS_ASYNC))
	x.done("unmap", unix.Munmap(p))
	x.look("a")
	x.close("a")
	x.read("f")
	x.open("a", "f", unix.O_RDWR) // a committed file
	p = x.maps("a", 4*block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	copy(p[2*block:], noise(4, 10))
	x.done("unmap", unix.Munmap(p))
	x.close("a")
	x.read("f")
}

// mapPrivate writes into a private map, of which the file sees nothing.
func mapPrivate(x *trace) {
	x.open("a", "f", unix.O_CREAT|unix.O_RDWR)
	x.write("a", noise(1, block))
	p := x.maps("a", block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	copy(p, noise(2, block))
	x.look("a")
	x.done("unmap", unix.Munmap(p))
	x.close("a")
	x.read("f")
}

// mapAfterClose goes on writing through a map when the descriptor is closed.
func mapAfterClose(x *trace) {
	x.open("a", "f", unix.O_CREAT|unix.O_RDWR)
	x.write("a", make([]byte, 2*block))
	p := x.maps("a", 2*block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	x.close("a")
	copy(p, noise(1, block))
	x.read("f")
	x.done("msync", unix.Msync(p, unix.MS_SYNC))
	x.read("f")
	copy(p[block:], noise(2, 100))
	x.done("unmap", unix.Munmap(p))
	x.read("f")
}

func init() { rig.Role("mapper", writeMapAfterClose) }

const mapped = 100_000

// writeMapAfterClose writes a file, closes it, and goes on writing through a map of it.
func writeMapAfterClose(args []string) error {
	f, err := os.Create(args[0])
	if err != nil {
		return err
	}
	if _, err := f.Write(make([]byte, mapped)); err != nil {
		return err
	}
	p, err := unix.Mmap(int(f.Fd()), 0, mapped, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	copy(p[5:], "after")
	if args[1] == "unmap" {
		return unix.Munmap(p)
	}
	return nil
}

// TestMapAfterCloseIsCommitted: writes through a map that outlives its
// descriptor are committed by themselves once it is gone, also when the process
// ends without a word.
func TestMapAfterCloseIsCommitted(t *testing.T) {
	b := start(t, nil)
	ends := []string{"unmap", "exit"}
	for _, end := range ends {
		b.As("mapper", end, end)
	}
	want := append(make([]byte, 5), "after"...)
	want = append(want, make([]byte, mapped-len(want))...)
	for _, name := range ends {
		for deadline := time.Now().Add(settleLimit); b.uploads(name) < 2 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		b.quiet()
		if n := b.uploads(name); n != 2 {
			t.Errorf("%s was uploaded %d times, not once at close and once afterwards", name, n)
		}
		b.r.OpenSSL(b.r.Fetch(name, filepath.Join(b.plain, "sealed")), filepath.Join(b.plain, "plain"))
		if got := read(t, filepath.Join(b.plain, "plain")); !bytes.Equal(got, want) {
			t.Errorf("the store has of %s what was before the map was written", name)
		}
	}
	b.finish()
}

// TestMapOfAnExecutable runs a program from the mount: its pages are a map.
func TestMapOfAnExecutable(t *testing.T) {
	rig.Need(t, "cp")
	b := start(t, nil)
	if out := b.Shell(`cp "$(command -v seq)" s; ./s 2; chmod -x s; ./s 2 2>/dev/null || echo refused`); out != "1\n2\nrefused\n" {
		t.Errorf("it said %q", out)
	}
	b.finish()
}
