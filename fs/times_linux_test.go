package fs

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// timesByDesign are calls that move times on a disk and none in a mount, with the row of
// docs/semantics.md that says why.
var timesByDesign = map[string]string{
	"truncate to the same size": "truncation to the same size",
	"fallocate beyond the end":  "truncation to the same size",
	"a call that reads":         "atime, ctime", // see differInTimes
}

// stamp is an inode with its times.
type stamp struct {
	ino     uint64
	a, m, c unix.StatxTimestamp
}

// timed are the names of which the times are looked at.
var timed = []string{"", "/file", "/other", "/empty", "/empty/x", "/full", "/full/below", "/tofile", "/todir", "/dangling", "/absent", "/made", "/spare"}

// timedAll are those, and the descriptor.
var timedAll = append(slices.Clone(timed), "the descriptor")

// stamps are those of the names that are there, and of a descriptor if it is not negative:
// as the kernel has them, or, with AT_STATX_FORCE_SYNC, as who keeps them does.
func stamps(dir string, fd, flags int) map[string]stamp {
	all := make(map[string]stamp)
	look := func(name string, at int, path string, flags int) {
		var st unix.Statx_t
		if unix.Statx(at, path, flags, unix.STATX_BASIC_STATS, &st) == nil {
			all[name] = stamp{st.Ino, st.Atime, st.Mtime, st.Ctime}
		}
	}
	for _, name := range timed {
		look(name, unix.AT_FDCWD, dir+name, unix.AT_SYMLINK_NOFOLLOW|flags)
	}
	if fd >= 0 {
		look("the descriptor", fd, "", unix.AT_EMPTY_PATH|flags)
	}
	return all
}

// moved says of each name which times have moved, and of a new one which of its times are
// not from before.
func moved(before, after map[string]stamp, begun unix.Timespec) map[string][]string {
	was := make(map[uint64]stamp)
	for _, s := range before {
		was[s.ino] = s
	}
	all := make(map[string][]string)
	for name, now := range after {
		old, known := was[now.ino]
		for _, x := range []struct {
			name     string
			old, now unix.StatxTimestamp
		}{{"atime", old.a, now.a}, {"mtime", old.m, now.m}, {"ctime", old.c, now.c}} {
			if known && x.old != x.now || !known && !isBefore(x.now, begun) {
				all[name] = append(all[name], x.name)
			}
		}
	}
	return all
}

// differInTimes reports whether a call moved other times than on a disk. That a disk moves
// an atime by reading, and the mount does not, is no difference.
func differInTimes(call string, disk, mount map[string][]string) bool {
	for _, name := range timedAll {
		on, in := disk[name], mount[name]
		if len(on) > 0 && on[0] == "atime" && !slices.Contains(in, "atime") && !strings.HasPrefix(call, "utimens") {
			on = on[1:]
		}
		if !slices.Equal(on, in) {
			return true
		}
	}
	return false
}

func isBefore(s unix.StatxTimestamp, t unix.Timespec) bool {
	return s.Sec < t.Sec || s.Sec == t.Sec && int64(s.Nsec) < t.Nsec
}

// nextTick waits until the clock of a disk's times has moved on.
func nextTick(t *testing.T) unix.Timespec {
	t.Helper()
	var begun, now unix.Timespec
	must(t, unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &begun))
	for now = begun; now == begun; {
		must(t, unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now))
	}
	return now
}

// compareTimes makes a call in both directories, with descriptors of theirs if fds has any,
// and demands that the same times move: for who asks the kernel, and behind it. It reports
// whether any has.
func (p *pair) compareTimes(what string, fds [2]int, do func(dir string, fd int) error) bool {
	p.t.Helper()
	disk, mount := p.sides()
	const sync = unix.AT_STATX_FORCE_SYNC
	theirs, ours := stamps(disk, fds[0], sync), stamps(mount, fds[1], sync)
	begun := nextTick(p.t)
	want, got := do(disk, fds[0]), do(mount, fds[1])
	if want != got {
		if exception, ok := byDesign[what[:strings.LastIndex(what, " of ")]]; !ok || want != nil || got != exception.errno {
			p.t.Errorf("%s: %v, on a disk %v", what, got, want)
		}
		return true
	}
	onDisk := moved(theirs, stamps(disk, fds[0], 0), begun)
	if timesByDesign[what[:strings.LastIndex(what, " of ")]] != "" {
		clear(onDisk)
	}
	for how, flags := range map[string]int{"": 0, ", asked itself,": sync} {
		if now := moved(ours, stamps(mount, fds[1], flags), begun); differInTimes(what, onDisk, now) {
			p.t.Errorf("%s (%v): the mount%s moves %q, a disk %q", what, got, how, now, onDisk)
		}
	}
	return len(onDisk) > 0
}

// TestTimesAsOnADisk makes each call with some kinds of name, done and refused, and compares
// which times move of all that is there.
func TestTimesAsOnADisk(t *testing.T) {
	p := newPair(t, buildKinds).makeAhead()
	list := []string{"/file", "/absent"}
	if thorough() {
		list = append(list, "/full", "/tofile", "/empty", "/empty/x", "/todir", "/dangling", "/full/below", "/file/x", "/loop")
	}
	for _, c := range namedCalls {
		for _, kind := range list {
			if p.compareTimes(c.name+" of "+kind, [2]int{-1, -1}, func(dir string, _ int) error { return c.do(dir, dir+kind) }) {
				p.renew()
			}
		}
	}
}

// openCalls are what is done with a descriptor of "file", for reading and writing.
var openCalls = []struct {
	name string
	do   func(dir string, fd int) error
}{
	{"write", func(_ string, fd int) error { _, err := unix.Pwrite(fd, []byte("x"), 1); return err }},
	{"write of nothing", func(_ string, fd int) error { _, err := unix.Pwrite(fd, nil, 1); return err }},
	{"write beyond the end", func(_ string, fd int) error { _, err := unix.Pwrite(fd, []byte("x"), 9999); return err }},
	{"write before the start", func(_ string, fd int) error { _, err := unix.Pwrite(fd, []byte("x"), -1); return err }},
	{"truncate down", func(_ string, fd int) error { return unix.Ftruncate(fd, 1) }},
	{"truncate up", func(_ string, fd int) error { return unix.Ftruncate(fd, 100) }},
	{"truncate to nothing", func(_ string, fd int) error { return unix.Ftruncate(fd, 0) }},
	{"truncate to less", func(_ string, fd int) error { return unix.Ftruncate(fd, -1) }},
	{"fallocate", func(_ string, fd int) error { return unix.Fallocate(fd, 0, 0, 9000) }},
	{"fallocate beyond the end", func(_ string, fd int) error { return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, 9000) }},
	{"punch", func(_ string, fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 1, 1)
	}},
	{"zero", func(_ string, fd int) error { return unix.Fallocate(fd, unix.FALLOC_FL_ZERO_RANGE, 1, 1) }},
	{"fallocate of nothing", func(_ string, fd int) error { return unix.Fallocate(fd, 0, 0, 0) }},
	{"chmod", func(_ string, fd int) error { return unix.Fchmod(fd, 0o604) }},
	{"chmod to the same", func(_ string, fd int) error { return unix.Fchmod(fd, 0o644) }},
	{"chown", func(_ string, fd int) error { return unix.Fchown(fd, 1001, 1002) }},
	{"chown to the same", func(_ string, fd int) error { return unix.Fchown(fd, 0, 0) }},
	{"chown to nobody else", func(_ string, fd int) error { return unix.Fchown(fd, -1, -1) }},
	{"setxattr", func(_ string, fd int) error { return unix.Fsetxattr(fd, "user.set", []byte("v"), 0) }},
	{"setxattr that is refused", func(_ string, fd int) error { return unix.Fsetxattr(fd, "user.kept", nil, unix.XATTR_CREATE) }},
	{"removexattr", func(_ string, fd int) error { return unix.Fremovexattr(fd, "user.kept") }},
	{"removexattr of none", func(_ string, fd int) error { return unix.Fremovexattr(fd, "user.none") }},
	{"fsync", func(_ string, fd int) error { return unix.Fsync(fd) }},
	{"map", func(_ string, fd int) error { return throughMap(fd) }},
	{"copy into it", func(dir string, fd int) error { return copyInto(dir+"/other", fd) }},
	{"copy from it", func(dir string, fd int) error {
		to, err := unix.Open(dir+"/other", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(to)
		_, err = unix.CopyFileRange(fd, new(int64(0)), to, new(int64(1)), 2, 0)
		return err
	}},
	{"unlink", func(dir string, _ int) error { return unix.Unlink(dir + "/file") }},
	{"rename", func(dir string, _ int) error { return unix.Rename(dir+"/file", dir+"/made") }},
	{"rename over it", func(dir string, _ int) error { return unix.Rename(dir+"/other", dir+"/file") }},
	{"empty it by another", func(dir string, _ int) error { return opening(unix.O_WRONLY|unix.O_TRUNC)(dir, dir+"/file") }},
	{"empty what is empty", func(dir string, fd int) error {
		if err := unix.Ftruncate(fd, 0); err != nil {
			return err
		}
		return opening(unix.O_WRONLY|unix.O_TRUNC)(dir, dir+"/file")
	}},
	{"truncate by another", func(dir string, _ int) error { return unix.Truncate(dir+"/file", 2) }},
	{"truncate to the same size", func(_ string, fd int) error { return unix.Ftruncate(fd, 3) }},
}

func throughMap(fd int) error {
	m, err := unix.Mmap(fd, 0, 3, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	m[1] = 'x'
	if err := unix.Msync(m, unix.MS_SYNC); err != nil {
		return err
	}
	return unix.Munmap(m)
}

func copyInto(from string, fd int) error {
	source, err := unix.Open(from, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(source)
	_, err = unix.CopyFileRange(source, new(int64(0)), fd, new(int64(1)), 4, 0)
	return err
}

// TestTimesOfAnOpenFileAsOnADisk does the same through a descriptor, of a committed file and
// of a draft; its close moves nothing.
func TestTimesOfAnOpenFileAsOnADisk(t *testing.T) {
	p := newPair(t, buildKinds).makeAhead()
	for _, c := range openCalls {
		for _, state := range []string{"a draft", "a committed file"} {
			if state == "a draft" && !thorough() {
				continue
			}
			p.timesOfAnOpenFile(c.name, state, c.do)
			p.renew()
		}
	}
}

func (p *pair) timesOfAnOpenFile(what, state string, do func(dir string, fd int) error) {
	p.t.Helper()
	disk, mount := p.sides()
	var fds [2]int
	for i, dir := range []string{disk, mount} {
		fd, err := unix.Open(dir+"/file", unix.O_RDWR|unix.O_CLOEXEC, 0)
		must(p.t, err)
		if state != "a committed file" {
			_, err = unix.Pwrite(fd, []byte("X"), 0)
			must(p.t, err)
		}
		fds[i] = fd
	}
	p.compareTimes(what+" of "+state, fds, do)
	closes := map[string]int{disk: fds[0], mount: fds[1]}
	p.compareTimes("close after "+what+" of "+state, [2]int{-1, -1}, func(dir string, _ int) error { return unix.Close(closes[dir]) })
}
