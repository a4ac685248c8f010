package model

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

// notCompared are the differences between a mount and a local disk that are
// neither defects nor met by any program as a surprise, each with its reason.
// Everything else that a system call shows is compared.
var notCompared = []struct{ what, reason string }{
	{"size, blocks and nlink of directories", "differ between local file systems too: btrfs gives every directory one link, ext4 a size in blocks"},
	{"st_blocks of files", "sealed blocks and compression make it a matter of the file system; holes are compared by SEEK_DATA instead"},
	{"atime", "mounts are relatime or noatime as one likes"},
	{"ctime", "cannot be set, so no backup or copy restores it; that content is unchanged shows in mtime"},
	{"inode and device numbers", "a version from elsewhere is a new inode by design; that a rename keeps it is shown by open handles"},
	{"mtime of a directory, unless utimens set it last", "entries change it on both sides, but a cold mount finds the time of its marker"},
	{"set-user-ID and set-group-ID", "a write clears them whoever writes, on a disk all but root; package volume tests it"},
	{"where a hole begins and ends", "block sizes differ; that a hole reads as zeros and data is reachable is checked"},
	{"mtime of truncate to the size that is, and of fallocate where it changes no byte", "POSIX leaves it open, and local file systems differ; to the mount it is no new version"},
	{"order of readdir", "differs between local file systems too"},
}

// settable is the end of the times that steps set; what is later is the present.
var settable = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)

// diskTick is how coarse a local disk's clock may be: two changes within a tick
// of the kernel (10 ms at most) can bear one time there, where the mount's has moved.
const diskTick = 10 * time.Millisecond

// stamps are the mtimes of a file on either side, as last seen.
type stamps struct{ disk, mount time.Time }

// comparer holds the two sides against each other.
type comparer struct {
	disk, mount *side
	small       bool              // reading what a full spool has dropped may be refused
	seen        map[uint64]stamps // by the disk's inode number
}

// tree lists all paths below the root of the disk, parents first.
func (c *comparer) tree() ([]string, error) {
	var all []string
	var walk func(dir string) error
	walk = func(dir string) error {
		entries, err := os.ReadDir(c.disk.path(dir))
		if err != nil {
			return err
		}
		for _, e := range entries {
			p := join(dir, e.Name())
			all = append(all, p)
			if e.IsDir() {
				if err := walk(p); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return all, walk(".")
}

func join(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
}

// attributes compares names and attributes of everything.
func (c *comparer) attributes() error {
	if err := c.names("."); err != nil {
		return err
	}
	paths, err := c.tree()
	if err != nil {
		return err
	}
	for _, p := range paths {
		if err := c.lstat(p); err != nil {
			return err
		}
	}
	for i := range slots {
		if err := c.handle(i); err != nil {
			return err
		}
	}
	return nil
}

// names compares what readdir says of a directory and all below it.
func (c *comparer) names(dir string) error {
	disk, err := os.ReadDir(c.disk.path(dir))
	if err != nil {
		return err
	}
	shown, err := os.ReadDir(c.mount.path(dir))
	if err != nil {
		return fmt.Errorf("readdir %s in the mount: %w", dir, err)
	}
	want := make(map[string]os.FileMode)
	for _, e := range disk {
		want[e.Name()] = e.Type()
	}
	got := make(map[string]os.FileMode)
	for _, e := range shown {
		if _, twice := got[e.Name()]; twice {
			return fmt.Errorf("readdir %s lists %s twice", dir, e.Name())
		}
		got[e.Name()] = e.Type()
	}
	for name := range got {
		base, is := strings.CutSuffix(name, rig.SidecarSuffix)
		if mode, file := want[base]; is && file && mode.IsRegular() {
			if _, own := want[name]; !own {
				delete(got, name)
			}
		}
	}
	if !maps.Equal(want, got) {
		return fmt.Errorf("readdir %s: the disk has %v, the mount %v", dir, list(want), list(got))
	}
	for _, e := range disk {
		if e.IsDir() {
			if err := c.names(join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func list(entries map[string]os.FileMode) string {
	var all []string
	for name, mode := range entries {
		all = append(all, mode.String()[:1]+name)
	}
	sort.Strings(all)
	return strings.Join(all, " ")
}

func (c *comparer) lstat(p string) error {
	var disk, mount unix.Stat_t
	errDisk, errMount := unix.Lstat(c.disk.path(p), &disk), unix.Lstat(c.mount.path(p), &mount)
	if errDisk != errMount {
		return fmt.Errorf("lstat %s: the disk says %v, the mount %v", p, errDisk, errMount)
	}
	if errDisk != nil {
		return nil
	}
	return c.stat("lstat "+p, &disk, &mount)
}

func (c *comparer) handle(i int) error {
	d, m := c.disk.open[i], c.mount.open[i]
	if d == nil || m == nil {
		return nil
	}
	var disk, mount unix.Stat_t
	if err := unix.Fstat(d.fd, &disk); err != nil {
		return err
	}
	what := fmt.Sprintf("fstat of handle %d, opened as %s", i, d.path)
	if err := unix.Fstat(m.fd, &mount); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return c.stat(what, &disk, &mount)
}

func (c *comparer) stat(what string, disk, mount *unix.Stat_t) error {
	different := func(attribute string, d, m any) error {
		return fmt.Errorf("%s: %s is %v on the disk, %v in the mount", what, attribute, d, m)
	}
	directory := disk.Mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case disk.Mode != mount.Mode:
		return different("mode", fmt.Sprintf("%#o", disk.Mode), fmt.Sprintf("%#o", mount.Mode))
	case disk.Uid != mount.Uid || disk.Gid != mount.Gid:
		return different("owner", [2]uint32{disk.Uid, disk.Gid}, [2]uint32{mount.Uid, mount.Gid})
	case !directory && disk.Size != mount.Size:
		return different("size", disk.Size, mount.Size)
	case !directory && disk.Nlink != mount.Nlink:
		return different("nlink", disk.Nlink, mount.Nlink)
	}
	return c.mtime(what, disk, mount, directory)
}

// mtime demands the time that was set, to the nanosecond; where the disk's is
// of its own making, the mount's must be of about now, and change when the
// disk's does and only then.
func (c *comparer) mtime(what string, disk, mount *unix.Stat_t, directory bool) error {
	now := stamps{time.Unix(disk.Mtim.Unix()), time.Unix(mount.Mtim.Unix())}
	before, known := c.seen[disk.Ino]
	c.seen[disk.Ino] = now
	different := func(why string) error {
		return fmt.Errorf("%s: mtime is %v on the disk, %v in the mount: %s (before: %v, %v)", what, now.disk, now.mount, why, before.disk, before.mount)
	}
	switch {
	case now.disk.Before(settable):
		if !now.disk.Equal(now.mount) {
			return different("it was set")
		}
	case directory:
	case now.mount.Before(settable):
		return different("the mount still has one that was set")
	case known && now.disk.Equal(before.disk) && now.mount.Sub(now.disk) > diskTick && !now.mount.Equal(before.mount):
		return different("only the mount's has changed")
	case known && !now.disk.Equal(before.disk) && now.mount.Equal(before.mount):
		return different("only the disk's has changed")
	}
	return nil
}

// changesNothing looks at a step before the disk makes it. If the step can change
// no byte, the function returned gives the disk's file its time back, unless the
// mount's has changed too.
func (c *comparer) changesNothing(o op) func() error {
	var at [2]string
	switch d, m := c.disk.open[o.H], c.mount.open[o.H]; {
	case o.Verb == "truncate":
		at = [2]string{c.disk.path(o.Path), c.mount.path(o.Path)}
	case (o.Verb == "ftruncate" || o.Verb == "fallocate") && d != nil && m != nil:
		at = [2]string{procFD(d.fd), procFD(m.fd)}
	default:
		return func() error { return nil }
	}
	var before, now unix.Stat_t
	err := unix.Stat(at[0], &before)
	nothing := false
	switch o.Verb {
	case "truncate", "ftruncate":
		nothing = o.Len == before.Size
	case "fallocate":
		nothing = o.bits() == unix.FALLOC_FL_KEEP_SIZE || o.Off >= before.Size && o.bits()&unix.FALLOC_FL_KEEP_SIZE != 0 || o.bits() == 0 && o.Off+o.Len <= before.Size
	}
	if err != nil || !nothing {
		return func() error { return nil }
	}
	return func() error {
		if err := unix.Stat(at[1], &now); err != nil {
			return err
		}
		if mtime := time.Unix(now.Mtim.Unix()); !mtime.Equal(c.seen[before.Ino].mount) && !mtime.Equal(time.Unix(before.Mtim.Unix())) {
			return nil
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, at[0], []unix.Timespec{before.Atim, before.Mtim}, 0)
	}
}

// contents compares what everything holds. Cold, it goes past the page cache.
func (c *comparer) contents(cold bool) error {
	paths, err := c.tree()
	if err != nil {
		return err
	}
	for _, p := range paths {
		if err := c.content(p, cold); err != nil {
			return err
		}
	}
	for i := range slots {
		if err := c.handleContent(i); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparer) content(p string, cold bool) error {
	info, err := os.Lstat(c.disk.path(p))
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSymlink != 0 {
		want, _ := os.Readlink(c.disk.path(p))
		if got, err := os.Readlink(c.mount.path(p)); got != want || err != nil {
			return fmt.Errorf("readlink %s: %q on the disk, %q in the mount, %v", p, want, got, err)
		}
		return nil
	}
	want, err := xattrs(c.disk.path(p))
	if err != nil {
		return err
	}
	if got, err := xattrs(c.mount.path(p)); !maps.Equal(want, got) || err != nil {
		return fmt.Errorf("xattrs of %s: %q on the disk, %q in the mount, %v", p, want, got, err)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	disk, err := readAll(c.disk.path(p), false)
	if err != nil {
		return err
	}
	mount, err := readAll(c.mount.path(p), cold)
	if c.small && err == syscall.ENOSPC && overflows(info.Size()) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", p, err)
	}
	return sameBytes("content of "+p, disk, mount)
}

// handleContent reads through an open handle, also of a file without a name, and looks for its holes.
func (c *comparer) handleContent(i int) error {
	d, m := c.disk.open[i], c.mount.open[i]
	if d == nil || m == nil || d.flags&unix.O_ACCMODE == unix.O_WRONLY {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return err
	}
	what := fmt.Sprintf("handle %d, opened as %s", i, d.path)
	want, err := preadAll(d.fd)
	if err != nil {
		return err
	}
	got, err := preadAll(m.fd)
	if c.small && (err == syscall.ENOSPC && overflows(st.Size) || err == syscall.ESTALE && st.Nlink == 0) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read through %s: %w", what, err)
	}
	if err := sameBytes("content through "+what, want, got); err != nil {
		return err
	}
	return holes(what, m.fd, want)
}

func preadAll(fd int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	p := make([]byte, st.Size)
	for total := 0; total < len(p); {
		n, err := unix.Pread(fd, p[total:], int64(total))
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return p[:total], nil
		}
		total += n
	}
	return p, nil
}

// holes walks a file by SEEK_DATA and SEEK_HOLE: what is called a hole must be
// zeros, and the walk must come to the end. It leaves the position as it was.
func holes(what string, fd int, want []byte) error {
	position, err := unix.Seek(fd, 0, unix.SEEK_CUR)
	if err != nil {
		return err
	}
	defer unix.Seek(fd, position, unix.SEEK_SET)
	size := int64(len(want))
	for at := int64(0); at < size; {
		data, err := unix.Seek(fd, at, unix.SEEK_DATA)
		if err == syscall.ENXIO {
			data = size
		} else if err != nil || data < at || data >= size {
			return fmt.Errorf("SEEK_DATA at %d of %s with %d bytes: %d, %v", at, what, size, data, err)
		}
		if i := firstNonZero(want[at:data]); i >= 0 {
			return fmt.Errorf("SEEK_DATA at %d of %s: a hole up to %d, but there is data at %d", at, what, data, at+int64(i))
		}
		if data == size {
			return nil
		}
		if at, err = unix.Seek(fd, data, unix.SEEK_HOLE); err != nil || at <= data || at > size {
			return fmt.Errorf("SEEK_HOLE at %d of %s with %d bytes: %d, %v", data, what, size, at, err)
		}
	}
	return nil
}

func firstNonZero(p []byte) int {
	return slices.IndexFunc(p, func(b byte) bool { return b != 0 })
}

func sameBytes(what string, disk, mount []byte) error {
	if bytes.Equal(disk, mount) {
		return nil
	}
	if len(disk) != len(mount) {
		return fmt.Errorf("%s: %d bytes on the disk, %d in the mount", what, len(disk), len(mount))
	}
	first, last, count := -1, 0, 0
	for i := range disk {
		if disk[i] != mount[i] {
			if first < 0 {
				first = i
			}
			last = i
			count++
		}
	}
	return fmt.Errorf("%s: %d of %d bytes differ, from %d to %d: %x… on the disk, %x… in the mount",
		what, count, len(disk), first, last, disk[first:min(first+8, len(disk))], mount[first:min(first+8, len(mount))])
}

// results compares what one step answered on either side.
func results(o op, disk, mount result) error {
	switch {
	case disk.errno != mount.errno:
		return fmt.Errorf("%s: the disk says %v, the mount %v", o, message(disk.errno), message(mount.errno))
	case disk.n != mount.n:
		return fmt.Errorf("%s: returned %d on the disk, %d in the mount", o, disk.n, mount.n)
	}
	return sameBytes(o.String(), disk.data, mount.data)
}

func message(errno syscall.Errno) string {
	if errno == 0 {
		return "success"
	}
	return errno.Error()
}
