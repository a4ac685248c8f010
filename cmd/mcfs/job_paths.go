package main

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
	"mcfs/store"
)

const (
	// maxName is how long a path in a list may be, bytes.
	maxName = 64 << 10
	// dirBatch is how many entries of a directory are read at once.
	dirBatch = 512
)

// found is a file of which a job is to be made, or why something in its place cannot be looked at.
type found struct {
	path   string
	walked bool // in a directory, and not named itself
	err    error
}

// pathSource names files one by one, so that it does not matter how many there are.
type pathSource struct {
	args      []string
	list      string // file of names, "-" is in; "": none
	zero      bool   // names in the list end with NUL, and not with a line
	recursive bool
	match     []string // patterns for names in directories; none: all
	in        io.Reader
	read      *inputReader
}

// each calls do with every file in turn, until that reports false. Its error is of the list.
func (s pathSource) each(ctx context.Context, do func(found) bool) error {
	for _, p := range s.args {
		if !s.expand(ctx, p, do) {
			return nil
		}
	}
	if s.list == "" {
		return nil
	}
	in := s.in
	if s.list != "-" {
		f, err := os.Open(s.list)
		if err != nil {
			return fmt.Errorf("--files-from: %w", err)
		}
		defer f.Close()
		in = f
	}
	names := bufio.NewScanner(in)
	names.Buffer(nil, maxName)
	if s.zero {
		names.Split(splitZero)
	}
	for names.Scan() {
		if names.Text() != "" && !s.expand(ctx, names.Text(), do) {
			return nil
		}
	}
	if errors.Is(names.Err(), bufio.ErrTooLong) {
		return usageError{failuref(codeUsage, "write a path a line, or with -0 a NUL after each", "--files-from %s: a name of more than %d bytes", s.list, maxName)}
	}
	if err := names.Err(); err != nil {
		return fmt.Errorf("--files-from %s: %w", s.list, err)
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
func (s pathSource) expand(ctx context.Context, p string, do func(found) bool) bool {
	switch {
	case !s.recursive:
	case strings.HasPrefix(p, "s3://"):
		return s.below(ctx, p, do)
	default:
		if info, err := os.Stat(p); err == nil && info.IsDir() {
			return s.walk(p, do)
		}
	}
	return do(found{path: p})
}

// walk names the files below a directory. Symbolic links are left out: what they lead to is a file
// of its own elsewhere.
func (s pathSource) walk(dir string, do func(found) bool) bool {
	d, err := os.Open(dir)
	if err != nil {
		return do(found{path: dir, err: err})
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
			case e.Type().IsRegular() && s.wanted(e.Name()):
				if !do(found{path: at, walked: true}) {
					return false
				}
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			return do(found{path: dir, err: err})
		}
	}
}

// below names the encrypted files at and below an address.
func (s pathSource) below(ctx context.Context, address string, do func(found) bool) bool {
	v, err := s.read.volume()
	if err != nil {
		return do(found{path: address, err: err})
	}
	prefix, err := v.key(address)
	if err != nil {
		return do(found{path: address, err: err})
	}
	folder := strings.TrimSuffix(prefix, "/") + "/"
	for token := ""; ; {
		page, err := v.page(ctx, prefix, token)
		if err != nil {
			return do(found{path: address, err: err})
		}
		for _, o := range page.Objects {
			key, ok := sidecar.Base(o.Key)
			if !ok || prefix != "" && key != prefix && !strings.HasPrefix(key, folder) || !s.wanted(path.Base(key)) {
				continue
			}
			if !do(found{path: v.home() + key, walked: true}) {
				return false
			}
		}
		if token = page.Next; token == "" {
			return true
		}
	}
}

// wanted reports whether a file in a directory is to have a job by its name.
func (s pathSource) wanted(name string) bool {
	if sidecar.Is(name) {
		return false
	}
	for _, pattern := range s.match {
		if ok, _ := path.Match(pattern, name); ok { // which options has checked
			return true
		}
	}
	return len(s.match) == 0
}

// page is one page of the keys that begin with a prefix.
func (v *storedVolume) page(ctx context.Context, prefix, token string) (store.Page, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errors.New("no answer in time"))
	defer cancel()
	st, err := v.open(ctx)
	if err != nil {
		return store.Page{}, err
	}
	page, err := st.List(ctx, prefix, "", token, 0)
	if err != nil {
		return page, clearer(ctx, st, err)
	}
	return page, nil
}
