package fs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// pair is a plain directory and one of a mount, in which the same is made and called.
type pair struct {
	t           *testing.T
	disk, mount string // where directories are made, a new one whenever something has changed
	build       func(dir string) error
	now         int      // the number of those that are used
	last        int      // of those that are made
	ahead       chan int // numbers of those that others make; nil: nobody does
	before      string   // what is in both, as tree tells it
}

// newPair mounts a volume. build makes what the calls are to find.
func newPair(t *testing.T, build func(dir string) error) *pair {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test must become another user: run it as root")
	}
	d, _ := startVolume(t)
	p := &pair{t: t, disk: t.TempDir(), mount: d.mountpoint, build: build}
	must(t, os.Chmod(filepath.Dir(p.disk), 0o755))
	must(t, os.Chmod(p.disk, 0o755))
	p.renew()
	return p
}

// makeAhead has others make directories until the test ends: most of it is waiting for disks.
func (p *pair) makeAhead() *pair {
	const makers = 4
	var all sync.WaitGroup
	p.ahead = make(chan int)
	stop := make(chan struct{})
	for i := range makers {
		all.Go(func() {
			for n := p.last + 1 + i; ; n += makers {
				if err := p.make(n); err != nil {
					p.t.Error(err)
				}
				select {
				case p.ahead <- n:
				case <-stop:
					return
				}
			}
		})
	}
	p.t.Cleanup(func() {
		close(stop)
		all.Wait()
	})
	return p
}

// make makes the two directories of a number.
func (p *pair) make(n int) error {
	disk, mount := p.numbered(n)
	return errors.Join(os.Mkdir(disk, 0o755), p.build(disk), os.Mkdir(mount, 0o755), p.build(mount))
}

func (p *pair) numbered(n int) (disk, mount string) {
	name := fmt.Sprintf("%05d", n) // of one length
	return filepath.Join(p.disk, name), filepath.Join(p.mount, name)
}

// sides are the two directories as they are now.
func (p *pair) sides() (disk, mount string) { return p.numbered(p.now) }

// renew takes new ones.
func (p *pair) renew() {
	p.t.Helper()
	if p.ahead != nil {
		p.now = <-p.ahead
	} else {
		p.last++
		p.now = p.last
		must(p.t, p.make(p.now))
	}
	disk, mount := p.sides()
	p.before = tree(p.t, disk)
	if got := tree(p.t, mount); got != p.before {
		p.t.Fatalf("both were made alike, and the mount has\n%s\na disk\n%s", got, p.before)
	}
}

// byDesign is an errno where a disk does what was asked, with the row of docs/semantics.md
// that says why.
var byDesign = map[string]struct {
	errno syscall.Errno
	row   string
}{
	"link from": {unix.EPERM, "hard link, device"},
	"link to":   {unix.EPERM, "hard link, device"},
	"mkfifo":    {unix.ENOTSUP, "hard link, device"},
}

// compare makes one call in both directories, as an actor, and demands the same outcome,
// and the same of all that is there. what names it in a report; call is its name in byDesign.
func (p *pair) compare(what, call string, by actor, do func(dir string) error) {
	p.t.Helper()
	disk, mount := p.sides()
	want := by.act(func() error { return do(disk) })
	got := by.act(func() error { return do(mount) })
	if exception, ok := byDesign[call]; ok && want == nil && errors.Is(got, exception.errno) {
		p.renew()
		return
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		p.t.Errorf("%s: %v, on a disk %v", what, got, want)
	}
	after, theirs := tree(p.t, mount), tree(p.t, disk)
	if after != theirs {
		p.t.Errorf("%s leaves\n%s\non a disk\n%s", what, after, theirs)
	}
	if theirs != p.before || after != p.before {
		p.renew()
	}
}

// act is do, without a thread of its own for root.
func (a actor) act(f func() error) error {
	if a.uid == 0 && a.gid == 0 && !a.bare {
		return f()
	}
	return a.do(f)
}

// tree is all below dir, a line each: kind and mode, owner, content or target.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		if err != nil || strings.HasSuffix(path, ".settings.json") {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		text, err := contentOf(path, &st)
		name := strings.TrimPrefix(path, dir)
		fmt.Fprintf(&b, "%s %o %d:%d %q\n", shorter(name), st.Mode, st.Uid, st.Gid, text)
		return err
	}))
	return b.String()
}

func contentOf(path string, st *unix.Stat_t) (string, error) {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		return shorter(target), err
	case unix.S_IFREG:
		data, err := os.ReadFile(path)
		return string(data), err
	}
	return "", nil
}

// shorter spells the long names, which differ in length between a disk and the mount, as one.
func shorter(name string) string {
	for _, n := range []int{diskMax, nameMax} {
		name = strings.ReplaceAll(name, strings.Repeat("n", n), "LONG")
	}
	return name
}

// diskMax is the longest name of a disk's file system, bytes.
const diskMax = 255

// TestWhatDiffersHasARow demands of each difference from a disk a row of docs/semantics.md.
func TestWhatDiffersHasARow(t *testing.T) {
	page, err := os.ReadFile("../docs/semantics.md")
	must(t, err)
	for call, exception := range byDesign {
		if !strings.Contains(string(page), "| "+exception.row+" |") {
			t.Errorf("%s: docs/semantics.md has no row %q", call, exception.row)
		}
	}
	for what, row := range timesByDesign {
		if !strings.Contains(string(page), "| "+row+" |") {
			t.Errorf("%s: docs/semantics.md has no row %q", what, row)
		}
	}
}
