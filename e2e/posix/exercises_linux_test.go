package posix

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// The calls of TestExercise.

func (x *exercise) write() error {
	off := x.at(exerciseSize - 1)
	p := x.bytes(x.length(exerciseSize - off))
	x.tell("write %d at %d", len(p), off)
	return x.wrote(off, p)(unix.Pwrite(x.fd, p, int64(off)))
}

// wrote takes over what a call has written.
func (x *exercise) wrote(off int, p []byte) func(int, error) error {
	return func(n int, err error) error {
		if err == nil && n != len(p) {
			err = fmt.Errorf("%d of %d bytes", n, len(p))
		}
		if err == nil {
			x.put(off, p)
		}
		return err
	}
}

func (x *exercise) writeVector() error {
	off := x.at(exerciseSize - 1)
	p := x.bytes(x.length(exerciseSize - off))
	i := x.r.IntN(len(p) + 1)
	x.tell("write %d+%d at %d", i, len(p)-i, off)
	return x.wrote(off, p)(unix.Pwritev(x.fd, [][]byte{p[:i], p[i:]}, int64(off)))
}

func (x *exercise) appends() error {
	p := x.bytes(x.length(exerciseSize - x.size()))
	if len(p) == 0 || x.size() == exerciseSize {
		return nil
	}
	x.tell("append %d at %d", len(p), x.size())
	fd, err := unix.Open(x.path, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := x.wrote(x.size(), p)(unix.Write(fd, p)); err != nil {
		return err
	}
	return unix.Close(fd)
}

func (x *exercise) readBack() error {
	off := x.at(x.size())
	p := make([]byte, x.length(exerciseSize))
	x.tell("read %d at %d", len(p), off)
	n, err := unix.Pread(x.fd, p, int64(off))
	if err != nil {
		return err
	}
	if want := min(len(p), x.size()-off); n != max(0, want) {
		return fmt.Errorf("%d bytes, not %d (size %d)", n, want, x.size())
	}
	return x.is(off, p[:n])
}

func (x *exercise) truncate() error {
	size := x.at(exerciseSize)
	x.tell("truncate from %d to %d", x.size(), size)
	if err := unix.Ftruncate(x.fd, int64(size)); err != nil {
		return err
	}
	x.resize(size)
	return x.sized()
}

func (x *exercise) truncateByName() error {
	size := x.at(exerciseSize)
	x.tell("truncate by name from %d to %d", x.size(), size)
	if err := unix.Truncate(x.path, int64(size)); err != nil {
		return err
	}
	x.resize(size)
	return x.sized()
}

// sized compares the size.
func (x *exercise) sized() error {
	var st unix.Stat_t
	if err := unix.Fstat(x.fd, &st); err != nil {
		return err
	}
	if int(st.Size) != x.size() {
		return fmt.Errorf("the size is %d, not %d", st.Size, x.size())
	}
	return nil
}

// mapped calls f with a map of a part of the file.
func (x *exercise) mapped(what string, f func(off int, p []byte) error) error {
	if x.size() == 0 {
		return nil
	}
	off := x.r.IntN(x.size())
	n := x.length(x.size() - off)
	start := off &^ (page - 1)
	x.tell("%s %d at %d of %d", what, n, off, x.size())
	m, err := unix.Mmap(x.fd, int64(start), off-start+n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	if err := unix.Madvise(m, unix.MADV_POPULATE_READ); err != nil { // no fault may wait for this process: see rig.Role
		return err
	}
	if err := f(off, m[off-start:]); err != nil {
		return err
	}
	if x.r.IntN(2) == 0 {
		if err := unix.Msync(m, []int{unix.MS_SYNC, unix.MS_ASYNC, unix.MS_SYNC | unix.MS_INVALIDATE}[x.r.IntN(3)]); err != nil {
			return err
		}
	}
	return unix.Munmap(m)
}

func (x *exercise) writeMap() error {
	return x.mapped("write a map of", func(off int, p []byte) error {
		x.put(off, x.bytes(len(p)))
		copy(p, x.want[off:])
		return nil
	})
}

func (x *exercise) readMap() error { return x.mapped("read a map of", x.is) }

// allocate is fallocate(2) in the modes that there are.
func (x *exercise) allocate() error {
	const keep, punch, zero = unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE, unix.FALLOC_FL_ZERO_RANGE
	mode := []uint32{0, keep, punch | keep, zero, zero | keep}[x.r.IntN(5)]
	off := x.at(exerciseSize - 1)
	n := x.length(exerciseSize - off)
	x.tell("fallocate mode %#x, %d at %d of %d", mode, n, off, x.size())
	if err := unix.Fallocate(x.fd, mode, int64(off), int64(n)); err != nil {
		return err
	}
	if mode&keep == 0 && off+n > x.size() {
		x.resize(off + n)
	}
	if mode&(punch|zero) != 0 && off < x.size() {
		clear(x.want[off:min(off+n, x.size())])
	}
	return x.sized()
}

// copyWithin is copy_file_range(2) between parts of the file that do not overlap.
func (x *exercise) copyWithin() error {
	if x.size() < 2 {
		return nil
	}
	from := x.r.IntN(x.size())
	n := x.length(x.size() - from)
	to := x.at(exerciseSize - n)
	if to < from+n && from < to+n {
		return nil
	}
	x.tell("copy %d from %d to %d of %d", n, from, to, x.size())
	p := append([]byte(nil), x.want[from:from+n]...)
	if err := copyAll(x.fd, from, x.fd, to, n); err != nil {
		return err
	}
	x.put(to, p)
	return x.sized()
}

// copyOther is copy_file_range(2) from another file.
func (x *exercise) copyOther() error {
	from := x.r.IntN(len(x.other))
	n := x.length(len(x.other) - from)
	to := x.at(exerciseSize - n)
	x.tell("copy %d from %d of another to %d", n, from, to)
	if err := copyAll(x.source, from, x.fd, to, n); err != nil {
		return err
	}
	x.put(to, x.other[from:from+n])
	return x.sized()
}

func copyAll(in, from, out, to, n int) error {
	at, dest := int64(from), int64(to)
	for end := int64(from + n); at < end; {
		k, err := unix.CopyFileRange(in, &at, out, &dest, int(end-at), 0)
		if err != nil {
			return err
		}
		if k == 0 {
			return fmt.Errorf("copied to %d, not to %d", at, end)
		}
	}
	return nil
}

// holes demands of what lseek(2) calls a hole that it is zeros.
func (x *exercise) holes() error {
	if x.size() == 0 {
		return nil
	}
	off := x.r.IntN(x.size())
	x.tell("seek from %d of %d", off, x.size())
	data, err := unix.Seek(x.fd, int64(off), unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO:
		data = int64(x.size())
	case err != nil:
		return err
	case data < int64(off) || data >= int64(x.size()):
		return fmt.Errorf("data at %d", data)
	}
	for i, c := range x.want[off:data] {
		if c != 0 {
			return fmt.Errorf("data at %d, and none before %d", off+i, data)
		}
	}
	hole, err := unix.Seek(x.fd, int64(off), unix.SEEK_HOLE)
	if err == nil && (hole < int64(off) || hole > int64(x.size()) || data > int64(off) && hole != int64(off)) {
		err = fmt.Errorf("a hole at %d, data at %d", hole, data)
	}
	return err
}

func (x *exercise) writeDirect() error {
	off := x.at(exerciseSize-page) &^ (page - 1)
	n := min((x.length(exerciseSize-off)+page-1)&^(page-1), exerciseSize-off)
	p := x.buf[:n]
	copy(p, x.bytes(n))
	x.tell("write %d at %d, direct", n, off)
	return x.wrote(off, p)(unix.Pwrite(x.direct, p, int64(off)))
}

func (x *exercise) readDirect() error {
	off := x.at(x.size()) &^ (page - 1)
	p := x.buf[:min((x.length(exerciseSize)+page-1)&^(page-1), exerciseSize)]
	x.tell("read %d at %d, direct", len(p), off)
	n, err := unix.Pread(x.direct, p, int64(off))
	if err != nil {
		return err
	}
	if want := min(len(p), x.size()-off); n != max(0, want) {
		return fmt.Errorf("%d bytes, not %d (size %d)", n, want, x.size())
	}
	return x.is(off, p[:n])
}

func (x *exercise) sync() error {
	x.tell("fsync")
	if x.r.IntN(2) == 0 {
		return unix.Fdatasync(x.fd)
	}
	return unix.Fsync(x.fd)
}

// forget has the kernel drop its pages.
func (x *exercise) forget() error {
	x.tell("forget the pages")
	return unix.Fadvise(x.fd, 0, 0, unix.FADV_DONTNEED)
}

// reopen commits.
func (x *exercise) reopen() error {
	x.tell("close and open")
	if err := x.close(); err != nil {
		return err
	}
	return x.open(0)
}

func (x *exercise) empty() error {
	x.tell("close, and open anew")
	if err := x.close(); err != nil {
		return err
	}
	if err := x.open(unix.O_TRUNC); err != nil {
		return err
	}
	x.resize(0)
	return x.sized()
}

// rename gives the open file its other name.
func (x *exercise) rename() error {
	to := map[string]string{"a": "b", "b": "a"}[x.name()]
	to = x.path[:len(x.path)-1] + to
	x.tell("rename to %s", to)
	if err := unix.Rename(x.path, to); err != nil {
		return err
	}
	x.path = to
	return nil
}

// all reads the whole file.
func (x *exercise) all() error {
	x.tell("read all of %d", x.size())
	p := make([]byte, x.size()+1)
	n, err := unix.Pread(x.fd, p, 0)
	if err != nil {
		return err
	}
	if n != x.size() {
		return fmt.Errorf("%d bytes, not %d", n, x.size())
	}
	return x.is(0, p[:n])
}
