package model

import (
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const slots = 5 // handles that a run may have open at once

// side is one of the two directories, with the handles that are open in it.
type side struct {
	root string
	open [slots]*handle
}

type handle struct {
	fd    int
	path  string // at open
	flags int
}

// result is what a system call answered.
type result struct {
	errno syscall.Errno
	n     int64  // its count, or what else it returns
	data  []byte // what it read
}

func outcome(n int, err error) result {
	if err != nil {
		errno, ok := err.(syscall.Errno)
		if !ok {
			panic(err)
		}
		return result{errno: errno}
	}
	return result{n: int64(n)}
}

func failed(err error) result { return outcome(0, err) }

// idle is the result of a step whose handle is not open, or is in the way.
var idle = result{n: -1}

func (s *side) path(p string) string { return filepath.Join(s.root, p) }

// verbs are the steps that are system calls; those of world have no function here.
var verbs map[string]func(*side, op) result

func init() {
	verbs = map[string]func(*side, op) result{
		"open": (*side).openFile, "close": withHandle(closeHandle), "dup": withHandle(dup),
		"pread": withHandle(pread), "pwrite": withHandle(pwrite), "read": withHandle(read), "write": withHandle(write),
		"ftruncate": withHandle(ftruncate), "fallocate": withHandle(fallocate), "mmap": withHandle(mmapWrite),
		"fsync": withHandle(fsync), "copy": withHandle(copyRange), "fchmod": withHandle(fchmod), "futimens": withHandle(futimens),
		"truncate": truncate, "unlink": unlink, "mkdir": mkdir, "rmdir": rmdir, "rename": rename,
		"symlink": symlink, "readlink": readlink, "chmod": chmod, "chown": chown, "utimens": utimens,
		"setxattr": setxattr, "getxattr": getxattr, "removexattr": removexattr,
	}
	for verb := range worldly {
		verbs[verb] = nil
	}
}

func withHandle(f func(*side, *handle, op) result) func(*side, op) result {
	return func(s *side, o op) result {
		h := s.open[o.H]
		if h == nil {
			return idle
		}
		return f(s, h, o)
	}
}

func (s *side) openFile(o op) result {
	if s.open[o.H] != nil {
		return idle
	}
	flags := o.bits()
	fd, err := unix.Open(s.path(o.Path), flags|unix.O_CLOEXEC, o.Mode)
	if err == nil {
		s.open[o.H] = &handle{fd: fd, path: o.Path, flags: flags}
	}
	return failed(err)
}

func closeHandle(s *side, h *handle, o op) result {
	s.open[o.H] = nil
	return failed(unix.Close(h.fd))
}

func dup(s *side, h *handle, o op) result {
	if s.open[o.H2] != nil {
		return idle
	}
	fd, err := unix.FcntlInt(uintptr(h.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		s.open[o.H2] = &handle{fd: fd, path: h.path, flags: h.flags}
	}
	return failed(err)
}

// content is what a step with that seed writes; its length leads, so that
// pieces of different steps cannot be taken for each other.
func content(seed uint64, n int64) []byte {
	p := make([]byte, (n+7)/8*8)
	source := rand.NewPCG(seed, uint64(n))
	for i := 0; i < len(p); i += 8 {
		binary.LittleEndian.PutUint64(p[i:], source.Uint64())
	}
	return p[:n]
}

// text is what the step writes.
func (o op) text() []byte {
	text := content(o.Seed, o.Len)
	if o.short > 0 {
		return text[:o.short]
	}
	return text
}

func pread(_ *side, h *handle, o op) result {
	p := make([]byte, o.Len)
	n, err := unix.Pread(h.fd, p, o.Off)
	r := outcome(n, err)
	r.data = p[:max(n, 0)]
	return r
}

func read(_ *side, h *handle, o op) result {
	p := make([]byte, o.Len)
	n, err := unix.Read(h.fd, p)
	r := outcome(n, err)
	r.data = p[:max(n, 0)]
	return r
}

func pwrite(_ *side, h *handle, o op) result {
	return outcome(unix.Pwrite(h.fd, o.text(), o.Off))
}

func write(_ *side, h *handle, o op) result {
	return outcome(unix.Write(h.fd, o.text()))
}

func ftruncate(_ *side, h *handle, o op) result { return failed(unix.Ftruncate(h.fd, o.Len)) }
func fsync(_ *side, h *handle, _ op) result     { return failed(unix.Fsync(h.fd)) }
func fchmod(_ *side, h *handle, o op) result    { return failed(unix.Fchmod(h.fd, o.Mode)) }

func fallocate(_ *side, h *handle, o op) result {
	return failed(unix.Fallocate(h.fd, uint32(o.bits()), o.Off, o.Len))
}

func futimens(_ *side, h *handle, o op) result {
	return failed(unix.UtimesNanoAt(unix.AT_FDCWD, procFD(h.fd), o.times(), 0))
}

func procFD(fd int) string { return filepath.Join("/proc/self/fd", strconv.Itoa(fd)) }

// mmapWrite writes through a shared map, which must lie within the file: behind
// its last page there is only SIGBUS.
func mmapWrite(_ *side, h *handle, o op) result {
	var st unix.Stat_t
	if err := unix.Fstat(h.fd, &st); err != nil {
		return failed(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return idle // the size of a directory is not compared
	}
	start := o.Off &^ int64(unix.Getpagesize()-1)
	end := min(o.Off+o.Len, st.Size)
	if o.Off >= end {
		return idle
	}
	m, err := unix.Mmap(h.fd, start, int(end-start), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return failed(err)
	}
	if err := unix.Madvise(m, unix.MADV_POPULATE_READ); err != nil { // no fault may wait for this process: see rig.Role
		_ = unix.Munmap(m)
		return failed(err)
	}
	before := slices.Clone(m[o.Off-start:])
	copy(m[o.Off-start:], content(o.Seed, end-o.Off))
	var synced error
	if o.Seed%2 == 0 { // without msync, munmap must do
		synced = unix.Msync(m, unix.MS_SYNC)
	}
	if err := unix.Munmap(m); err != nil {
		return failed(err)
	}
	r := failed(synced)
	r.data = before
	return r
}

// copyRange repeats until all is copied, since each call may do less.
func copyRange(s *side, h *handle, o op) result {
	to := s.open[o.H2]
	if to == nil {
		return idle
	}
	from, dest, total := o.Off, o.To2, int64(0)
	for total < o.Len {
		n, err := unix.CopyFileRange(h.fd, &from, to.fd, &dest, int(o.Len-total), 0)
		if err != nil {
			return result{errno: err.(syscall.Errno), n: total}
		}
		if n == 0 {
			break
		}
		total += int64(n)
	}
	return result{n: total}
}

func truncate(s *side, o op) result { return failed(unix.Truncate(s.path(o.Path), o.Len)) }
func unlink(s *side, o op) result   { return failed(unix.Unlink(s.path(o.Path))) }
func mkdir(s *side, o op) result    { return failed(unix.Mkdir(s.path(o.Path), o.Mode)) }
func rmdir(s *side, o op) result    { return failed(unix.Rmdir(s.path(o.Path))) }
func symlink(s *side, o op) result  { return failed(unix.Symlink(o.To, s.path(o.Path))) }
func chmod(s *side, o op) result    { return failed(unix.Chmod(s.path(o.Path), o.Mode)) }

func rename(s *side, o op) result {
	return failed(unix.Renameat2(unix.AT_FDCWD, s.path(o.Path), unix.AT_FDCWD, s.path(o.To), uint(o.bits())))
}

func readlink(s *side, o op) result {
	p := make([]byte, unix.PathMax)
	n, err := unix.Readlink(s.path(o.Path), p)
	r := outcome(n, err)
	r.data = p[:max(n, 0)]
	return r
}

func chown(s *side, o op) result {
	return failed(unix.Lchown(s.path(o.Path), int(o.ID), int(o.ID)+1))
}

func (o op) times() []unix.Timespec {
	t := unix.Timespec{Sec: o.Second, Nsec: o.Nano}
	return []unix.Timespec{t, t}
}

func utimens(s *side, o op) result {
	return failed(unix.UtimesNanoAt(unix.AT_FDCWD, s.path(o.Path), o.times(), unix.AT_SYMLINK_NOFOLLOW))
}

func setxattr(s *side, o op) result {
	return failed(unix.Setxattr(s.path(o.Path), "user."+o.Name, content(o.Seed, o.Len), o.bits()))
}

func getxattr(s *side, o op) result {
	p := make([]byte, 256)
	n, err := unix.Getxattr(s.path(o.Path), "user."+o.Name, p)
	r := outcome(n, err)
	r.data = p[:max(n, 0)]
	return r
}

func removexattr(s *side, o op) result {
	return failed(unix.Removexattr(s.path(o.Path), "user."+o.Name))
}

// xattrs are the user's attributes of a path, by name.
func xattrs(path string) (map[string]string, error) {
	p := make([]byte, 4096)
	n, err := unix.Llistxattr(path, p)
	if err != nil {
		return nil, err
	}
	all := make(map[string]string)
	for name := range strings.SplitSeq(string(p[:n]), "\x00") {
		if !strings.HasPrefix(name, "user.") {
			continue
		}
		value := make([]byte, 256)
		k, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, err
		}
		all[name] = string(value[:k])
	}
	return all, nil
}

// readAll is the whole content of a path, past the page cache if it is to be cold.
func readAll(path string, cold bool) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if cold {
		if err := unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED); err != nil {
			return nil, err
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	p := make([]byte, st.Size+1)
	for total := 0; ; {
		n, err := unix.Read(fd, p[total:])
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return p[:total], nil
		}
		if total += n; total == len(p) {
			return p[:total], nil // longer than its size said: the comparison will tell
		}
	}
}
