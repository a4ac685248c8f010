package paths

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"mcfs/sidecar"
)

const (
	// maxName is how long a path in a list may be, bytes.
	maxName = 64 << 10
	// dirBatch is how many entries of a directory are read at once.
	dirBatch = 512
)

// ErrTooLong is a name in a list that no file has.
var ErrTooLong = fmt.Errorf("a name of more than %d bytes", maxName)

// Found is a file of which a job is to be made, or why something in its place cannot be looked at.
type Found struct {
	Path   string
	Walked bool // in a directory, and not named itself
	Err    error
}

// Source names files one by one, so that it does not matter how many there are.
type Source struct {
	Args      []string
	List      string // file of names, "-" is in; "": none
	Zero      bool   // names in the list end with NUL, and not with a line
	Recursive bool
	Match     []string // patterns for names in directories; none: all
	In        io.Reader
	// Below calls do with every file at and below an address, until that reports false.
	Below func(ctx context.Context, address string, do func(Found) bool) bool
}

// Each calls do with every file in turn, until that reports false. Its error is of the list.
func (s Source) Each(ctx context.Context, do func(Found) bool) error {
	for _, p := range s.Args {
		if !s.expand(ctx, p, do) {
			return nil
		}
	}
	if s.List == "" {
		return nil
	}
	in := s.In
	if s.List != "-" {
		f, err := os.Open(s.List)
		if err != nil {
			return fmt.Errorf("--files-from: %w", err)
		}
		defer f.Close()
		in = f
	}
	names := bufio.NewScanner(in)
	names.Buffer(nil, maxName)
	if s.Zero {
		names.Split(splitZero)
	}
	for names.Scan() {
		if names.Text() != "" && !s.expand(ctx, names.Text(), do) {
			return nil
		}
	}
	if errors.Is(names.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("--files-from %s: %w", s.List, ErrTooLong)
	}
	if err := names.Err(); err != nil {
		return fmt.Errorf("--files-from %s: %w", s.List, err)
	}
	return nil
}

// splitZero splits at NUL bytes.
func splitZero(data []byte, end bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i + 1, data[:i], nil
	}
	if end && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// expand names a file, or with recursive those below it.
func (s Source) expand(ctx context.Context, p string, do func(Found) bool) bool {
	switch {
	case !s.Recursive:
	case strings.HasPrefix(p, "s3://"):
		return s.Below(ctx, p, do)
	default:
		if info, err := os.Stat(p); err == nil && info.IsDir() {
			return s.walk(p, do)
		}
	}
	return do(Found{Path: p})
}

// walk names the files below a directory. Symbolic links are left out: what they lead to is a file
// of its own elsewhere.
func (s Source) walk(dir string, do func(Found) bool) bool {
	d, err := os.Open(dir)
	if err != nil {
		return do(Found{Path: dir, Err: err})
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(dirBatch)
		for _, e := range entries {
			at := filepath.Join(dir, e.Name())
			switch {
			case e.IsDir():
				if !s.walk(at, do) {
					return false
				}
			case e.Type().IsRegular() && s.Wanted(e.Name()):
				if !do(Found{Path: at, Walked: true}) {
					return false
				}
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			return do(Found{Path: dir, Err: err})
		}
	}
}

// Wanted reports whether a file in a directory is to have a job by its name.
func (s Source) Wanted(name string) bool {
	if sidecar.Is(name) {
		return false
	}
	for _, pattern := range s.Match {
		if ok, _ := path.Match(pattern, name); ok { // which the command has checked
			return true
		}
	}
	return len(s.Match) == 0
}
