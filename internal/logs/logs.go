package logs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"

	"mcfs/config"
)

// maxLog is how long a log file may be at the start, bytes. A longer one is renamed to
// NAME.1.
const maxLog = 16 << 20

// Destination is where log lines go. It can be changed while they are written.
type Destination struct {
	mu sync.Mutex
	w  io.Writer
}

// NewDestination is w until it is redirected.
func NewDestination(w io.Writer) *Destination { return &Destination{w: w} }

// Write writes to where lines go now.
func (d *Destination) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.w.Write(p)
}

// Redirect changes it.
func (d *Destination) Redirect(w io.Writer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.w = w
}

// New is a log by its configuration, but for the level, which may change.
func New(c config.Log, level slog.Leveler, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if c.Format == config.FormatJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// OpenFile opens a log to append to it. One that others may read, or that belongs to
// another user, is refused, since names of files are in it.
func OpenFile(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("log: %w: choose another --log-file", err)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log: %w: choose another --log-file", err)
	}
	if err := checkOwner(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("log: %w, or choose another --log-file", err)
	}
	return f, nil
}

// checkOwner returns an error if a regular file belongs to another user or is open to others.
func checkOwner(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d: remove it", f.Name(), st.Uid)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return fmt.Errorf("%s is open to others (mode %04o): chmod 600 %s", f.Name(), perm, f.Name())
	}
	return nil
}
