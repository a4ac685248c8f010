package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
)

// bs is the length of a block, in bytes.
const bs = crypt.BlockSize

var testKey = bytes.Repeat([]byte{7}, 32)

// marker stands in all test plaintext, so that a leak of it can be searched for.
const marker = "PLAINTEXT-MARKER-5a1c"

// fatal is the part of testing.T that rapid.T has too.
type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

func openSpool(t testing.TB, dir string, size int64, sys system) *Spool {
	t.Helper()
	s, err := openWith(Options{Dir: dir, MaxSize: size, Log: slog.New(slog.NewTextHandler(testLog{t}, nil))}, sys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testLog shows the log of a failed test only.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(p))
	return len(p), nil
}

func newSpool(t testing.TB, size int64) *Spool {
	t.Helper()
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"), size, realSystem{})
	t.Cleanup(func() { closeAll(s) })
	return s
}

// closeAll closes what a test left open, and the spool.
func closeAll(s *Spool) {
	for _, f := range s.files() {
		f.Close()
	}
	s.Close()
}

func create(t testing.TB, s *Spool) *File {
	t.Helper()
	f, err := s.Create(Header{ID: NewID(), Wrapped: []byte("wrapped"), KeyID: "local:1", Path: "a/b " + marker}, testKey)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func load(t testing.TB, s *Spool, id ID) *File {
	t.Helper()
	f, err := s.Load(id, testKey)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func someEntry(path string) Entry {
	return Entry{
		ID: NewID(), Path: path, State: "draft", Wrapped: []byte{1, 2}, KeyID: "local:1", Size: 7,
		Attr:    sidecar.Attr{Mtime: time.Unix(5, 6).UTC(), Mode: 0o100644, Xattr: map[string][]byte{"user.a": {0}}},
		Updated: time.Unix(9, 0).UTC(), Reason: "why", Data: []byte("opaque"),
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// text is n bytes that differ by seed and repeat the marker every 512 bytes.
func text(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b) // not byte by byte, which the race detector would follow
	for i := 0; i < n; i += 512 {
		copy(b[i:], marker)
	}
	return b
}

func write(t testing.TB, f *File, p []byte, off int64) {
	t.Helper()
	if n, err := f.WriteAt(p, off); err != nil || n != len(p) {
		t.Fatalf("WriteAt(%d bytes, %d) = %d, %v", len(p), off, n, err)
	}
}

// readAll reads the whole file.
func readFile(t fatal, f *File) []byte {
	t.Helper()
	b, err := contents(f, f.Size())
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return b
}

func contents(f io.ReaderAt, size int64) ([]byte, error) {
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) && int64(n) == size {
		err = nil
	}
	return b[:n], err
}

func same(t fatal, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	if len(got) != len(want) {
		t.Fatalf("%d bytes, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("byte %d (block %d, byte %d of it) is %d, want %d", i, i/bs, i%bs, got[i], want[i])
		}
	}
}

// copyDir is the folder as a power cut, or kill -9, would leave it now.
func copyDir(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if d.IsDir() {
			return os.Mkdir(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	check(t, err)
	return to
}

// searchPlain fails if the marker stands anywhere in the folder, but for the
// journal, which holds paths and no content.
func searchPlain(t testing.TB, dir string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(marker)) {
			return fmt.Errorf("plaintext in %s", path)
		}
		return err
	}))
}

// faulty is the real system, of which chosen calls fail.
type faulty struct {
	realSystem
	mu    sync.Mutex
	calls map[string]int // so far, by tag
	// fail says what is wrong with a call: nil, nothing.
	fail func(tag string, nth int) error
	// short makes a failing write leave half of its bytes behind.
	short bool
}

func (s *faulty) check(tag string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[tag]++
	if s.fail == nil {
		return nil
	}
	return s.fail(tag, s.calls[tag])
}

// set changes what fails and counts anew.
func (s *faulty) set(fail func(tag string, nth int) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.fail = nil, fail
}

func (s *faulty) open(tag, path string, flag int) (*os.File, error) {
	if err := s.check(tag); err != nil {
		return nil, err
	}
	return s.realSystem.open(tag, path, flag)
}

func (s *faulty) pread(tag string, f *os.File, p []byte, off int64) (int, error) {
	if err := s.check(tag); err != nil {
		return 0, err
	}
	return s.realSystem.pread(tag, f, p, off)
}

func (s *faulty) pwrite(tag string, f *os.File, p []byte, off int64) (int, error) {
	if err := s.check(tag); err != nil {
		n := 0
		if s.short {
			n, _ = s.realSystem.pwrite(tag, f, p[:len(p)/2], off)
		}
		return n, err
	}
	return s.realSystem.pwrite(tag, f, p, off)
}

func (s *faulty) sync(tag string, f *os.File) error {
	if err := s.check(tag); err != nil {
		return err
	}
	return s.realSystem.sync(tag, f)
}

func (s *faulty) truncate(tag string, f *os.File, size int64) error {
	if err := s.check(tag); err != nil {
		return err
	}
	return s.realSystem.truncate(tag, f, size)
}

func (s *faulty) punch(tag string, f *os.File, off, n int64) error {
	if err := s.check(tag); err != nil {
		return err
	}
	return s.realSystem.punch(tag, f, off, n)
}

func (s *faulty) rename(tag, from, to string) error {
	if err := s.check(tag); err != nil {
		return err
	}
	return s.realSystem.rename(tag, from, to)
}

func (s *faulty) remove(tag, path string) error {
	if err := s.check(tag); err != nil {
		return err
	}
	return s.realSystem.remove(tag, path)
}

func (s *faulty) syncDir(tag, dir string) error {
	if err := s.check(tag); err != nil {
		return err
	}
	return s.realSystem.syncDir(tag, dir)
}
