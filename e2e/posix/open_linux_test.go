package posix

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOpenFilesGoOn removes and renames open files, drafts and committed ones,
// in a plain directory and in the mount, while they are read and written.
func TestOpenFilesGoOn(t *testing.T) {
	inModes(t, []string{"CTR", "GCM"}, func(t *testing.T, b *bench) {
		for _, c := range []struct {
			name  string
			steps func(x *trace)
		}{
			{"unlinked", unlinkOpen}, {"renamed", renameOpen}, {"replaced", replaceOpen}, {"nameless", nameless},
		} {
			t.Run(c.name, func(t *testing.T) { b.same(t, c.name, c.steps) })
		}
		b.prove(t)
	})
}

// unlinkOpen goes on with a file that has no name any more.
func unlinkOpen(x *trace) {
	for _, name := range []string{"draft", "committed"} {
		x.open("a", name, unix.O_CREAT|unix.O_RDWR)
		x.write("a", noise(1, 3*block+5))
		if name == "committed" {
			x.close("a")
			x.open("a", name, unix.O_RDWR)
		}
		x.open("b", name, unix.O_RDONLY)
		x.done("unlink", unix.Unlink(x.path(name)))
		x.done("stat", unix.Stat(x.path(name), &unix.Stat_t{}))
		x.look("a")
		x.pwrite("a", noise(2, 10), 2*block)
		x.look("b")
		x.truncate("a", block)
		x.pwrite("a", noise(3, 10), 2*block)
		x.look("b")
		x.done("fsync", unix.Fsync(x.fds["a"]))
		x.done("fchmod", unix.Fchmod(x.fds["a"], 0o600))
		x.open("c", name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR) // another by that name
		x.write("c", []byte("another"))
		x.look("a")
		x.close("c")
		x.close("a")
		x.look("b")
		x.close("b")
		x.read(name)
	}
}

// renameOpen goes on with a file under its new name.
func renameOpen(x *trace) {
	x.done("mkdir", unix.Mkdir(x.path("d"), 0o755))
	for _, name := range []string{"draft", "committed"} {
		x.open("a", name, unix.O_CREAT|unix.O_RDWR)
		x.write("a", noise(1, 2*block))
		if name == "committed" {
			x.close("a")
			x.open("a", name, unix.O_RDWR)
		}
		x.done("rename", unix.Rename(x.path(name), x.path("d/"+name)))
		x.look("a")
		x.pwrite("a", noise(2, 100), block)
		x.done("rename", unix.Rename(x.path("d/"+name), x.path("d/again")))
		x.write("a", noise(3, 10))
		x.look("a")
		x.read("d/again")
		x.close("a")
		x.done("rename", unix.Rename(x.path("d/again"), x.path(name)))
		x.read(name)
	}
	x.done("rmdir", unix.Rmdir(x.path("d")))
}

// replaceOpen renames over files that are open.
func replaceOpen(x *trace) {
	x.open("old", "f", unix.O_CREAT|unix.O_RDWR)
	x.write("old", noise(1, 2*block))
	x.close("old")
	for i := range 3 {
		x.open("old", "f", unix.O_RDWR)
		x.open("new", "g", unix.O_CREAT|unix.O_RDWR)
		x.write("new", noise(byte(i+2), block+i))
		x.done("rename", unix.Rename(x.path("g"), x.path("f")))
		x.look("old")
		x.pwrite("old", []byte("into what is gone"), 5)
		x.look("old")
		x.look("new")
		x.close("old")
		x.write("new", []byte("more"))
		x.close("new")
		x.read("f")
	}
}

// nameless is O_TMPFILE: never named, and named by linkat(2).
func nameless(x *trace) {
	x.open("a", ".", unix.O_TMPFILE|unix.O_RDWR)
	x.write("a", noise(1, 3*block))
	x.look("a")
	x.close("a")
	x.open("a", ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_EXCL) // may never be named
	x.write("a", noise(1, 10))
	x.done("link what is O_EXCL", x.link("a", "f"))
	x.close("a")
	x.open("a", ".", unix.O_TMPFILE|unix.O_RDWR)
	x.write("a", noise(2, 3*block+1))
	x.done("link", x.link("a", "f"))
	x.read("f")
	x.write("a", noise(3, 10))
	x.look("a")
	x.close("a")
	x.read("f")
	x.open("a", ".", unix.O_TMPFILE|unix.O_WRONLY)
	x.done("link onto a file", x.link("a", "f"))
	x.done("link", x.link("a", "empty"))
	x.close("a")
	x.read("empty")
}

// link gives a descriptor's file a name.
func (x *trace) link(fd, name string) error {
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", x.fds[fd]), unix.AT_FDCWD, x.path(name), unix.AT_SYMLINK_FOLLOW)
}

// TestHardLinksAreRefused: an object has one name.
func TestHardLinksAreRefused(t *testing.T) {
	b := start(t, nil)
	x := &trace{dir: b.Dir, fds: make(map[string]int)}
	x.open("a", "committed", unix.O_CREAT|unix.O_WRONLY)
	x.close("a")
	x.open("a", ".", unix.O_TMPFILE|unix.O_RDWR)
	x.write("a", []byte("x"))
	x.done("its first name", x.link("a", "first"))
	x.done("a second one", x.link("a", "second"))
	x.close("a")
	x.done("of a file", unix.Link(b.Path("committed"), b.Path("second")))
	x.done("of a link", ln(b, "l"))
	last := x.lines[len(x.lines)-6:]
	want := []string{"its first name: ok", "a second one: EPERM", "close a: ok", "of a file: EPERM", "of a link: EPERM"}
	if strings.Join(last[1:], "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(x.lines, "\n"))
	}
	b.r.Settle(settleLimit, []string{"committed", "first"}, "l")
	b.finish()
}

func ln(b *bench, name string) error {
	if err := unix.Symlink("committed", b.Path(name)); err != nil {
		return err
	}
	return unix.Linkat(unix.AT_FDCWD, b.Path(name), unix.AT_FDCWD, b.Path("second"), 0)
}

// TestTmpfileUploads: what is never named is never uploaded, whatever its size;
// what is named is uploaded once, at its close.
func TestTmpfileUploads(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	before := len(b.r.Writes())
	b.Shell(python(`
f = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
for i in range(40): os.write(f, os.urandom(1 << 20))
os.fsync(f)
os.close(f)
f = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(f, b"left to the kernel")
os._exit(0)`))
	b.quiet()
	if n := len(b.r.Writes()); n != before {
		t.Errorf("nameless files were uploaded: %v", b.r.Writes())
	}
	b.Shell(killed(`
f = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
for i in range(40): os.write(f, b"%d" % (i % 10) * (1 << 20))
os.link(str(f), "named", src_dir_fd=os.open("/proc/self/fd", os.O_RDONLY))
os.close(f)`))
	b.r.Settle(0, []string{"named"})
	if n := b.uploads("named"); n != 1 {
		t.Errorf("%d uploads", n)
	}
	if out := b.Shell(`stat -c '%a %h %s' named; tr -d 0-9 <named | wc -c; head -c 3 named`); out != "640 1 41943040\n0\n000" {
		t.Errorf("named: %q", out)
	}
	b.finish()
}

// TestOnlyTouchedRangesAreFetched changes a committed file in a cold mount:
// what is fetched is what is read or cut, not the file.
func TestOnlyTouchedRangesAreFetched(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			touchedRanges(t, mode)
		})
	}
}

func touchedRanges(t *testing.T, mode string) {
	r := rig.New(t, inMode(mode))
	const size = 24 * mib
	m := r.Mount("a")
	content := noise(1, size)
	for _, name := range []string{"f", "g"} {
		m.Within(traceLimit, "write", func() error { return os.WriteFile(m.Path(name), content, 0o644) })
	}
	m.Unmount()

	m = r.Mount("b")
	fetched := func(what string, most int64, script string) {
		t.Helper()
		before := len(r.S3.Proxy.Requests())
		m.Shell(script)
		var got int64
		for _, q := range r.S3.Proxy.Requests()[before:] {
			if q.Op == "GetObject" && !strings.HasSuffix(q.Path, rig.SidecarSuffix) {
				got += q.Received
			}
		}
		t.Logf("%s: %d KiB fetched", what, got>>10)
		if got > most {
			t.Errorf("%s fetches %d bytes, more than %d", what, got, most)
		}
	}
	if mode == "GCM" { // nothing is released before the tag is checked: a read is of the whole
		fetched("a read of one block", size+mib, `dd if=f bs=64k count=1 skip=100 status=none | wc -c`)
	} else {
		fetched("a read of one block", 2*mib, `dd if=f bs=64k count=1 skip=100 status=none | wc -c`)
	}
	fetched("whole blocks written over, opened and not closed", 2*mib, killed(`
f = os.open("f", os.O_RDWR)
os.pwrite(f, b"x" * 131072, 1 << 20)
os.pwrite(f, b"y" * 65536, 20 << 20)
os.ftruncate(f, 23 << 20)`))
	fetched("the rest of it, committed", size+mib, `printf z | dd of=f bs=1 seek=100 conv=notrunc status=none`)
	fetched("replaced whole", 0, `dd if=/dev/zero of=g bs=1M count=1 status=none`)
	copy(content[mib:], bytes.Repeat([]byte("x"), 2*block))
	copy(content[20*mib:], bytes.Repeat([]byte("y"), block))
	content[100] = 'z'
	h := sha256.Sum256(content[:23*mib])
	if got := r.Proof()["f"]; got != hex.EncodeToString(h[:]) {
		t.Errorf("the store has f as %.12s", got)
	}
	m.Unmount()
}
