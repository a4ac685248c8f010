package offline

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"mcfs/internal/human"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/volume/upload"
)

// errChanged: a source is not any more what it was when it was begun.
var errChanged = verdict.With(errors.New("it was changed while it was read"), verdict.Incomplete, "run the same command again when nobody writes it")

// source is a file that is to be encrypted. It is a view of upload's: what has been read of it once
// is the same when it is read again, or an error, so that no part leaves with two contents (P2).
type source struct {
	f    *os.File
	info os.FileInfo
	read atomic.Int64 // bytes, to tell that something moves

	seed maphash.Seed
	mu   sync.Mutex
	seen map[int64]digest // of stretches that have been read and may be read again, by offset
}

type digest struct {
	n   int
	sum uint64
}

// openSource opens a file. One that a walk has found is not followed if it has become a link.
func openSource(path string, walked bool) (*source, error) {
	flags := os.O_RDONLY | syscall.O_NONBLOCK // a pipe that has taken its name is not waited for
	if walked {
		flags |= syscall.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is no regular file", human.Quoted(path)), f.Close())
	}
	return &source{f: f, info: info, seed: maphash.MakeSeed(), seen: make(map[int64]digest)}, nil
}

func (s *source) close() { _ = s.f.Close() }

func (s *source) size() int64 { return s.info.Size() }

// ReadAt reads what the file had when it was read first.
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.f.ReadAt(p, off)
	s.read.Add(int64(n))
	if n > 0 {
		if err := s.compare(p[:n], off); err != nil {
			clear(p)
			return 0, err
		}
	}
	return n, err
}

// compare refuses a stretch that was something else before.
func (s *source) compare(p []byte, off int64) error {
	now := digest{len(p), maphash.Bytes(s.seed, p)}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.seen[off]
	if known && before != now {
		return errChanged
	}
	s.seen[off] = now
	return nil
}

// Release is for views that come and go: a source is closed.
func (s *source) Release() {}

// sent forgets the stretches that the store has taken: nobody reads them again for this upload.
func (s *source) sent(off, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := range s.seen {
		if at >= off && at < off+n {
			delete(s.seen, at)
		}
	}
}

// again lets it be read anew, for another upload or a comparison.
func (s *source) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.seen)
}

// check refuses a source that was written since it was opened.
func (s *source) check(upload.Result) error { return s.unchanged() }

// unchanged fails if it was written since it was opened.
func (s *source) unchanged() error {
	now, err := s.f.Stat()
	if err != nil {
		return err
	}
	if now.Size() != s.info.Size() || !now.ModTime().Equal(s.info.ModTime()) {
		return errChanged
	}
	return nil
}

// moved is how much has been read.
func (s *source) moved() int64 { return s.read.Load() }

// reader reads it from the start to the end.
func (s *source) reader() io.ReadSeeker { return io.NewSectionReader(s, 0, s.size()) }

// attr are the attributes that its sidecar states.
func (s *source) attr() sidecar.Attr {
	a := sidecar.Attr{Mode: fileBits | permissions(s.info.Mode()), Mtime: sidecar.ClampTime(s.info.ModTime())}
	if st, ok := s.info.Sys().(*syscall.Stat_t); ok {
		a.UID, a.GID = st.Uid, st.Gid
	}
	return a
}

const (
	typeBits = 0o170000
	fileBits = 0o100000
	linkBits = 0o120000
)

// permissions are those of st_mode.
func permissions(m os.FileMode) uint32 {
	bits := uint32(m.Perm())
	for _, b := range []struct {
		is  os.FileMode
		bit uint32
	}{{os.ModeSetuid, 0o4000}, {os.ModeSetgid, 0o2000}, {os.ModeSticky, 0o1000}} {
		if m&b.is != 0 {
			bits |= b.bit
		}
	}
	return bits
}
