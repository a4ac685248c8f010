package spool

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// descriptors bounds how many file descriptors sealed files take, however many drafts
// wait. A file is opened when it is read or written, and the least recently used one is
// closed for it; only those in use at the same moment can exceed the bound.
type descriptors struct {
	sys system
	max int

	mu   sync.Mutex
	open int
	idle list.List // of open *descriptor that nobody uses, the one used longest ago at the back
}

const (
	minDescriptors = 16
	maxDescriptors = 4096
)

// defaultDescriptors returns half of what the process may have open, which the Go runtime
// has raised to the hard limit.
func defaultDescriptors() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return minDescriptors
	}
	return int(min(max(uint64(l.Cur)/2, minDescriptors), maxDescriptors))
}

// descriptor reads and writes one file of the folder. Its methods may be called by
// several goroutines at once.
type descriptor struct {
	all   *descriptors
	tag   string // of the call that opens it
	write bool

	opening sync.Mutex // held while the file is opened, and by who renames it
	path    string

	// Guarded by descriptors.mu.
	file     *os.File // nil: closed for now
	users    int
	place    *list.Element // in idle
	closed   bool
	changes  int  // so far
	unsynced bool // something was changed that no sync has covered
	doubt    bool // whether all that was changed gets to the disk, no sync would tell
}

// create makes a file with content at its start.
func (all *descriptors) create(what, path string, flag int, content []byte) (*descriptor, error) {
	file, err := all.openFile(what+".create", path, os.O_RDWR|os.O_CREATE|flag)
	if err != nil {
		return nil, err
	}
	d := all.adopt(what, path, file)
	if err := d.pwrite(what+".write", content, 0); err != nil {
		d.close()
		return nil, errors.Join(err, os.Remove(path))
	}
	return d, nil
}

// openAt opens a file that exists, to read it or to read and write it.
func (all *descriptors) openAt(what, path string, write bool) (*descriptor, error) {
	d := &descriptor{all: all, tag: what + ".open", path: path, write: write}
	if err := d.hold(); err != nil {
		return nil, err
	}
	d.release()
	return d, nil
}

// adopt returns the descriptor of a file that is open for reading and writing.
func (all *descriptors) adopt(what, path string, file *os.File) *descriptor {
	d := &descriptor{all: all, tag: what + ".open", path: path, write: true, file: file, users: 1}
	all.mu.Lock()
	all.open++
	all.mu.Unlock()
	d.release()
	return d
}

// openFile opens a file, and closes another if there are too many.
func (all *descriptors) openFile(tag, path string, flag int) (*os.File, error) {
	all.shrink(all.max - 1)
	file, err := all.sys.open(tag, path, flag)
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		all.shrink(0) // sockets and the store's files take descriptors, too
		file, err = all.sys.open(tag, path, flag)
	}
	return file, err
}

// shrink closes files that are not in use, until at most most are open.
func (all *descriptors) shrink(most int) {
	for {
		all.mu.Lock()
		last := all.idle.Back()
		if all.open <= most || last == nil {
			all.mu.Unlock()
			return
		}
		file := last.Value.(*descriptor).detach()
		all.mu.Unlock()
		file.Close() // detach has noted what its error would tell
	}
}

// detach returns the open file, for the caller to close, and notes whether changes of it
// are in doubt: an fsync after the next opening may not report that writing them failed.
// descriptors.mu is held.
func (d *descriptor) detach() *os.File {
	file := d.file
	d.file = nil
	d.all.open--
	d.rest()
	d.doubt = d.doubt || d.unsynced
	return file
}

// rest removes the descriptor from the idle ones. descriptors.mu is held.
func (d *descriptor) rest() {
	if d.place != nil {
		d.all.idle.Remove(d.place)
		d.place = nil
	}
}

// hold opens the file if need be, and keeps it open until release.
func (d *descriptor) hold() error {
	if ok, err := d.take(); ok || err != nil {
		return err
	}
	d.opening.Lock()
	defer d.opening.Unlock()
	if ok, err := d.take(); ok || err != nil {
		return err
	}
	flag := os.O_RDONLY
	if d.write {
		flag = os.O_RDWR
	}
	file, err := d.all.openFile(d.tag, d.path, flag)
	if err != nil {
		return err
	}
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	if d.closed {
		return errors.Join(fs.ErrClosed, file.Close())
	}
	d.file, d.users = file, 1
	d.all.open++
	return nil
}

// take is hold for a file that is open already, and reports whether it is.
func (d *descriptor) take() (bool, error) {
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	switch {
	case d.closed:
		return false, fs.ErrClosed
	case d.file == nil:
		return false, nil
	}
	d.users++
	d.rest()
	return true, nil
}

func (d *descriptor) release() {
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	d.users--
	if d.users == 0 && !d.closed {
		d.place = d.all.idle.PushFront(d)
	}
}

// use calls f with the open file.
func (d *descriptor) use(f func(file *os.File) error) error {
	if err := d.hold(); err != nil {
		return err
	}
	defer d.release()
	return f(d.file)
}

// close ends the use of the descriptor; nobody else uses it any more.
func (d *descriptor) close() error {
	d.all.mu.Lock()
	if d.closed {
		d.all.mu.Unlock()
		return fs.ErrClosed
	}
	d.closed = true
	if d.file == nil {
		d.all.mu.Unlock()
		return nil
	}
	file := d.detach()
	d.all.mu.Unlock()
	return file.Close()
}

// change is use for calls that change the file.
func (d *descriptor) change(f func(file *os.File) error) error {
	if err := d.hold(); err != nil {
		return err
	}
	defer d.release()
	d.all.mu.Lock()
	d.changes++
	d.unsynced = true
	d.all.mu.Unlock()
	return f(d.file)
}

// readFull reads all of p. The error is ErrCorrupt if the file ends before.
func (d *descriptor) readFull(tag string, p []byte, off int64) error {
	return d.use(func(file *os.File) error {
		n, err := d.all.sys.pread(tag, file, p, off)
		switch {
		case n == len(p):
			return nil
		case err == nil || errors.Is(err, io.EOF):
			return fmt.Errorf("%s ends at %d of %d bytes: %w", file.Name(), off+int64(n), off+int64(len(p)), ErrCorrupt)
		}
		return err
	})
}

func (d *descriptor) pwrite(tag string, p []byte, off int64) error {
	return d.change(func(file *os.File) error {
		_, err := d.all.sys.pwrite(tag, file, p, off)
		return err
	})
}

func (d *descriptor) truncate(tag string, size int64) error {
	return d.change(func(file *os.File) error { return d.all.sys.truncate(tag, file, size) })
}

// punch gives the range's disk space back. Whether that reaches the disk does not matter.
func (d *descriptor) punch(tag string, off, n int64) error {
	return d.use(func(file *os.File) error { return d.all.sys.punch(tag, file, off, n) })
}

func (d *descriptor) size() (n int64, err error) {
	err = d.use(func(file *os.File) error {
		fi, err := file.Stat()
		if err == nil {
			n = fi.Size()
		}
		return err
	})
	return n, err
}

// sync makes contents and size durable. It does not end a doubt, which settle does: the
// system reports a failed write only once, and only to those who have the file open then.
func (d *descriptor) sync(tag string) error {
	return d.use(func(file *os.File) error {
		d.all.mu.Lock()
		before := d.changes
		d.all.mu.Unlock()
		err := d.all.sys.sync(tag, file)
		d.all.mu.Lock()
		defer d.all.mu.Unlock()
		switch {
		case err != nil:
			d.doubt = true
		case d.changes == before:
			d.unsynced = false
		}
		return err
	})
}

// doubtful reports whether a change may be missing on the disk without any sync reporting
// it, so that everything has to be written again. It does not change while held.
func (d *descriptor) doubtful() bool {
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	return d.doubt
}

// suspect makes the file doubtful, since an earlier process has changed and not synced it.
func (d *descriptor) suspect() {
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	d.doubt = true
}

// settle ends the doubt after everything was written again and synced.
func (d *descriptor) settle() {
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	d.doubt = false
}
