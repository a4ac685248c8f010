package journal

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testDisk is a real one of which chosen calls fail, and whose syncs are counted instead of
// awaited.
type testDisk struct {
	syncs atomic.Int64
	full  atomic.Int64  // no file may become longer than this; 0: any length
	pause time.Duration // of each sync
	mu    sync.Mutex
	names map[*os.File]string           // as they are now
	fail  func(call, path string) error // nil: nothing fails
}

func (d *testDisk) name(f *os.File) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names[f]
}

func (d *testDisk) set(fail func(call, path string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

func (d *testDisk) ask(call, path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail == nil {
		return nil
	}
	return d.fail(call, filepath.Base(path))
}

func (d *testDisk) Open(path string, flag int) (*os.File, error) {
	if err := d.ask("open", path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, flag, 0o600)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names == nil {
		d.names = map[*os.File]string{}
	}
	d.names[f] = path
	return f, err
}

func (d *testDisk) Write(f *os.File, b []byte, off int64) error {
	if err := d.ask("write", d.name(f)); err != nil {
		_, _ = f.WriteAt(b[:len(b)/2], off)
		return err
	}
	if full := d.full.Load(); full > 0 && off+int64(len(b)) > full {
		return errFull
	}
	_, err := f.WriteAt(b, off)
	return err
}

func (d *testDisk) Sync(f *os.File) error {
	d.syncs.Add(1)
	time.Sleep(d.pause)
	return d.ask("sync", d.name(f))
}

func (d *testDisk) Rename(from, to string) error {
	if err := d.ask("rename", from); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for f, name := range d.names {
		if name == from {
			d.names[f] = to
		}
	}
	return os.Rename(from, to)
}

func (d *testDisk) Remove(path string) error {
	if err := d.ask("remove", path); err != nil {
		return err
	}
	return os.Remove(path)
}

func (d *testDisk) SyncDir(dir string) error { return d.ask("syncdir", dir) }

// testLog shows the log of a failed test only.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(p))
	return len(p), nil
}

var errKept = errors.New("a journal was taken for damaged")

func openOn(t testing.TB, dir string, disk Disk) *Journal {
	t.Helper()
	j, err := Open(Options{
		Dir: dir, Old: filepath.Join(filepath.Dir(dir), "journal.db"), Disk: disk,
		Log:  slog.New(slog.NewTextHandler(testLog{t}, nil)),
		Keep: func(path, why string) error { return errors.Join(errKept, errors.New(why)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func open(t testing.TB, dir string) *Journal { return openOn(t, dir, &testDisk{}) }

// killed opens what a kill of a journal's process would leave now.
func killed(t testing.TB, dir string) *Journal {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, logName))
	check(t, err)
	to := filepath.Join(t.TempDir(), "journal")
	check(t, os.Mkdir(to, 0o700))
	check(t, os.WriteFile(filepath.Join(to, logName), b, 0o600))
	return open(t, to)
}

var errFull error = syscall.ENOSPC
