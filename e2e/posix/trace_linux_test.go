package posix

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/store/s3/s3test"
)

// trace is what a program that works in a directory is told: each call with its
// outcome. The same steps in a plain directory say what it must be.
type trace struct {
	dir   string
	lines []string
	fds   map[string]int
}

// note writes down an outcome.
func (x *trace) note(format string, args ...any) {
	x.lines = append(x.lines, fmt.Sprintf(format, args...))
}

func (x *trace) path(name string) string { return filepath.Join(x.dir, name) }

// outcome names an error as errno(3) does.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	if errno, ok := err.(unix.Errno); ok {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// open opens a file under a descriptor's name.
func (x *trace) open(fd, name string, flags int) {
	n, err := unix.Open(x.path(name), flags|unix.O_CLOEXEC, 0o644)
	x.note("open %s as %s: %s", name, fd, outcome(err))
	if err == nil {
		x.fds[fd] = n
	}
}

func (x *trace) close(fd string) {
	x.note("close %s: %s", fd, outcome(unix.Close(x.fds[fd])))
	delete(x.fds, fd)
}

// write writes at the descriptor's own position.
func (x *trace) write(fd string, p []byte) {
	n, err := unix.Write(x.fds[fd], p)
	x.note("write %d to %s: %d %s", len(p), fd, n, outcome(err))
}

func (x *trace) pwrite(fd string, p []byte, off int64) {
	n, err := unix.Pwrite(x.fds[fd], p, off)
	x.note("write %d to %s at %d: %d %s", len(p), fd, off, n, outcome(err))
}

func (x *trace) truncate(fd string, size int64) {
	x.note("truncate %s to %d: %s", fd, size, outcome(unix.Ftruncate(x.fds[fd], size)))
}

func (x *trace) fallocate(fd string, mode uint32, off, length int64) {
	x.note("fallocate %s mode %#x %d+%d: %s", fd, mode, off, length, outcome(unix.Fallocate(x.fds[fd], mode, off, length)))
}

func (x *trace) seek(fd string, off int64, whence int) {
	at, err := unix.Seek(x.fds[fd], off, whence)
	x.note("seek %s %d whence %d: %d %s", fd, off, whence, at, outcome(err))
}

// look reads a descriptor's file whole, through that descriptor, and its size.
func (x *trace) look(fd string) {
	var st unix.Stat_t
	if err := unix.Fstat(x.fds[fd], &st); err != nil {
		x.note("stat %s: %s", fd, outcome(err))
		return
	}
	p := make([]byte, st.Size+10)
	got := 0
	for got < len(p) {
		n, err := unix.Pread(x.fds[fd], p[got:], int64(got))
		if err != nil || n == 0 {
			x.note("%s has %d bytes, links %d: read %d %s %s", fd, st.Size, st.Nlink, got, sum(p[:got]), outcome(err))
			return
		}
		got += n
	}
	x.note("%s gives more than its size", fd)
}

// read opens a file by name, reads it whole and closes it.
func (x *trace) read(name string) {
	x.open("reader", name, unix.O_RDONLY)
	if _, ok := x.fds["reader"]; ok {
		x.look("reader")
		x.close("reader")
	}
}

// done calls what has an outcome of its own.
func (x *trace) done(what string, err error) { x.note("%s: %s", what, outcome(err)) }

func sum(p []byte) string {
	h := sha256.Sum256(p)
	return hex.EncodeToString(h[:8])
}

// traceLimit is how long the steps of one trace may take in the mount.
const traceLimit = time.Minute

// same runs steps in a plain directory and in the mount, in a new directory of
// that name, and demands the same outcomes.
func (b *bench) same(t *testing.T, name string, steps func(x *trace)) {
	t.Helper()
	plain := &trace{dir: filepath.Join(b.plain, name), fds: make(map[string]int)}
	ours := &trace{dir: b.Path(name), fds: make(map[string]int)}
	if err := os.Mkdir(plain.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	steps(plain)
	b.Within(traceLimit, name, func() error {
		if err := os.Mkdir(ours.dir, 0o755); err != nil {
			return err
		}
		steps(ours)
		return nil
	})
	for i, line := range plain.lines {
		if i >= len(ours.lines) || ours.lines[i] != line {
			t.Errorf("%s, step %d: a plain directory says\n\t%s\nthe mount\n\t%s\nafter\n\t%s", name, i, line,
				ours.lines[min(i, len(ours.lines)-1)], strings.Join(ours.lines[max(0, i-6):i], "\n\t"))
			break
		}
	}
	for _, x := range []*trace{plain, ours} {
		for fd := range x.fds {
			t.Errorf("%s leaves %s open", name, fd)
		}
	}
}

// prove demands that the bucket holds the files of the plain directory, and that
// what Node decrypts of them is their content.
func (b *bench) prove(t *testing.T) {
	t.Helper()
	var keys []string
	want := make(map[string]string)
	err := filepath.WalkDir(b.plain, func(path string, d os.DirEntry, err error) error {
		key, _ := filepath.Rel(b.plain, path)
		switch {
		case err != nil || key == ".":
			return err
		case d.IsDir():
			keys = append(keys, key+"/")
			return nil
		}
		data, err := os.ReadFile(path)
		h := sha256.Sum256(data)
		keys = append(keys, key)
		want[key] = hex.EncodeToString(h[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b.r.Settle(settleLimit, keys)
	b.quiet()
	got := b.r.Proof()
	for key, s := range want {
		if got[key] != s {
			t.Errorf("the store has %s as %.12s, a plain directory as %.12s", key, got[key], s)
		}
	}
}

// quiet waits until the mount has nothing under way, what the last release commits a moment after
// its close included, and no request has reached the store for a while: uploads that were given
// up are ended behind.
func (b *bench) quiet() {
	b.t.Helper()
	b.Idle(settleLimit)
	const while = 150 * time.Millisecond
	for seen := -1; ; time.Sleep(while) {
		requests := b.r.S3.Proxy.Requests()
		idle := !slices.ContainsFunc(requests, func(q s3test.Request) bool { return q.Took == 0 })
		if idle && len(requests) == seen {
			return
		}
		seen = len(requests)
	}
}

// uploads counts how often each file of the mount was uploaded since the proxy was reset.
func (b *bench) uploads(name string) int {
	w := b.r.Writes()[name]
	return w["PutObject"] + w["CompleteMultipartUpload"]
}

// noise is the same random bytes for the same seed.
func noise(seed byte, n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(p)
	return p
}

// inModes runs a test on a bench of each mode.
func inModes(t *testing.T, list []string, test func(t *testing.T, b *bench)) {
	for _, mode := range list {
		t.Run(mode, func(t *testing.T) {
			b := start(t, inMode(mode))
			test(t, b)
			b.finish()
		})
	}
}
