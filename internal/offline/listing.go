package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"mcfs/config"
	"mcfs/internal/human"
	"mcfs/internal/mhl"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
)

// ListMaking is what `mcfs verify --write-mhl` is to do.
type ListMaking struct {
	Options
	Config  config.Config
	List    string // the file that is made, in whose place nothing may be
	Place   Place  // of the folder that it is of
	Kinds   []mhl.Kind
	Version string // of the program
}

// MakeList checks the files below a place, and makes a media hash list of what the store holds. There
// is one only if all is well.
func MakeList(ctx context.Context, m ListMaking) (err error) {
	m.What = "checked"
	if err := m.free(); err != nil {
		return err
	}
	v, err := OpenVolume(ctx, m.Config, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	var mu sync.Mutex
	var files []mhl.File
	add := func(f mhl.File) {
		mu.Lock()
		defer mu.Unlock()
		files = append(files, f)
	}
	err = each(ctx, m.Options, func(ctx context.Context, do func(entry) bool) error {
		return v.walk(ctx, Place{Key: m.Place.Key, Folder: true}, do)
	}, func(ctx context.Context, e entry) Item { return v.note(ctx, m, e, add) })
	switch {
	case err != nil:
		return fmt.Errorf("%s is not made: %w", human.Quoted(m.List), err)
	case m.DryRun:
		return nil
	}
	return m.write(files)
}

// free refuses a name that is taken.
func (m ListMaking) free() error {
	_, err := os.Lstat(m.List)
	switch {
	case err == nil:
		return errListTaken(m.List)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

func errListTaken(path string) error {
	return verdict.Errorf(verdict.Exists, "choose another name", "%s is there already", human.Quoted(path))
}

// note checks a file, and notes its hashes.
func (v *Volume) note(ctx context.Context, m ListMaking, e entry, add func(mhl.File)) Item {
	i := Item{Address: v.name(e.listing.Key), State: Sound}
	if e.err != nil {
		return i.failed(e.err)
	}
	f := mhl.File{Path: strings.TrimPrefix(e.listing.Key, m.Place.prefix())}
	if new(mhl.List).LeavesOut(f.Path) {
		i.State, i.Why = Skipped, "skipped: a hash list is in none"
		return i
	}
	x, err := v.checkable(ctx, e)
	if err != nil {
		return i.failed(err)
	}
	switch {
	case x.Damage == nil && x.IsSymlink():
		i.State, i.Why = Skipped, "skipped: it is a symbolic link"
		return i
	case x.Damage == nil && x.Foreign():
		i.State, i.Why = Unchecked, "cannot be checked: it was not encrypted by mcfs"
		return i
	case m.DryRun:
		i.State = Would
		return i
	}
	if err := v.matches(ctx, x); err != nil {
		return i.failed(err)
	}
	sums, checked, err := v.hashes(ctx, x, m.Kinds)
	if err != nil {
		return i.failed(err)
	}
	i.Size = x.Plain
	if !checked {
		i.State, i.Why = Unchecked, "cannot be checked: its settings were made by hand, and nothing says what it should be"
		return i
	}
	f.Size, f.Modified, f.Hashes = x.Plain, x.Attr().Mtime, sums
	add(f)
	return i
}

// write makes the list, in a new file that is on the disk when it is there.
func (m ListMaking) write(files []mhl.File) (err error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	var text bytes.Buffer
	head := mhl.Header{Made: time.Now(), Host: host, Tool: "mcfs", Version: m.Version, Ignore: []string{mhl.Folder + "/", "*" + sidecar.Suffix}}
	if err := mhl.Write(&text, head, files); err != nil {
		return fmt.Errorf("make %s: %w", human.Quoted(m.List), err)
	}
	f, err := os.OpenFile(m.List, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return errListTaken(m.List)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("make %s: %w", human.Quoted(m.List), err), os.Remove(m.List))
	}
	return nil
}
