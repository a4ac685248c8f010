package offline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"mcfs/config"
	"mcfs/internal/human"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/naming"
)

// Encryption is what `mcfs encrypt` is to do.
type Encryption struct {
	Options
	Config config.Config
	Source string // file or directory; "-": In
	In     io.Reader
	Target Place
	Force  bool // replaces what is there
}

// found is a file of the source, or why one cannot be looked at.
type found struct {
	path   string
	key    string
	walked bool
	why    string // it is skipped
	err    error
}

// Encrypt encrypts a file or tree into a volume that is not mounted.
func Encrypt(ctx context.Context, e Encryption) (err error) {
	e.What = "encrypted"
	source, tree, err := e.files()
	if err != nil {
		return err
	}
	w, err := OpenWriter(ctx, e.Config, e.DryRun)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close(ctx)) }()
	return w.run(ctx, e, source, tree)
}

// run encrypts what a source names.
func (w *Writer) run(ctx context.Context, e Encryption, source func(context.Context, func(found) bool) error, tree bool) error {
	if err := w.checkTarget(ctx, e.Target, tree); err != nil {
		return err
	}
	return each(ctx, e.Options, source, func(ctx context.Context, f found) Item { return w.one(ctx, e, f) })
}

// files names what the source has, and reports whether that is a tree.
func (e Encryption) files() (each func(context.Context, func(found) bool) error, tree bool, err error) {
	if e.Source == "-" {
		if e.Target.Folder {
			return nil, false, verdict.Errorf(verdict.Usage, "give the file's own address, which does not end with a slash", "standard input has no name")
		}
		return one(found{path: "-", key: e.Target.Key}), false, nil
	}
	info, err := os.Stat(e.Source)
	if err != nil {
		return nil, false, err
	}
	if info.IsDir() {
		return func(ctx context.Context, do func(found) bool) error {
			walkFiles(ctx, e.Source, e.Target.prefix(), do)
			return nil
		}, true, nil
	}
	key := e.Target.Key
	if e.Target.Folder {
		key = e.Target.prefix() + filepath.Base(e.Source)
	}
	return one(found{path: e.Source, key: key}), false, nil
}

// one is a source of one thing.
func one[T any](thing T) func(context.Context, func(T) bool) error {
	return func(_ context.Context, do func(T) bool) error { do(thing); return nil }
}

// dirBatch is how many entries of a directory are read at once.
const dirBatch = 512

// walkFiles names all that is below a directory, with what is left out, until do reports false. No
// more is kept of it than a batch for each level.
func walkFiles(ctx context.Context, dir, prefix string, do func(found) bool) bool {
	d, err := os.Open(dir)
	if err != nil {
		return do(found{path: dir, err: err})
	}
	defer d.Close()
	for ctx.Err() == nil {
		entries, err := d.ReadDir(dirBatch)
		for _, e := range entries {
			at, key, more := filepath.Join(dir, e.Name()), prefix+e.Name(), true
			switch {
			case e.IsDir():
				more = walkFiles(ctx, at, key+"/", do)
			case e.Type().IsRegular():
				more = do(found{path: at, key: key, walked: true})
			default:
				more = do(found{path: at, key: key, why: "skipped: " + kindOf(e.Type())})
			}
			if !more {
				return false
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			return do(found{path: dir, err: err})
		}
	}
	return false
}

// kindOf names what is no file.
func kindOf(t fs.FileMode) string {
	if t&fs.ModeSymlink != 0 {
		return "it is a symbolic link"
	}
	return "it is no regular file"
}

// checkTarget refuses a place that would hide what is there, or be hidden by it.
func (w *Writer) checkTarget(ctx context.Context, p Place, tree bool) error {
	if p.Key == "" {
		return nil
	}
	for dir := path.Dir(p.Key); dir != "."; dir = path.Dir(dir) {
		if err := w.refuseFile(ctx, dir); err != nil {
			return err
		}
	}
	if p.Folder || tree {
		return w.refuseFile(ctx, p.Key)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	page, err := w.store.List(ctx, p.prefix(), "", "", 1)
	if err != nil || len(page.Objects) == 0 {
		return err
	}
	return verdict.Errorf(verdict.Exists, "end it with a slash to put the file into it", "%s is a folder", w.name(p.Key))
}

// refuseFile refuses a directory's name that is a file's.
func (w *Writer) refuseFile(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	_, err := w.store.Head(ctx, key)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return verdict.Errorf(verdict.Exists, "choose another place", "%s is a file, and cannot be a folder, too", w.name(key))
}

// one encrypts a file of the source.
func (w *Writer) one(ctx context.Context, e Encryption, f found) Item {
	i := Item{Path: f.path, Address: w.name(f.key), State: Skipped}
	if f.err != nil {
		i.Address = ""
		return i.failed(f.err)
	}
	if f.path == "-" {
		return w.stream(ctx, e, i, f.key)
	}
	s, why, err := f.open(w.rules)
	if err != nil {
		return i.failed(err)
	}
	if i.Why = why; s == nil {
		return i
	}
	defer s.close()
	i.Size = s.size()
	if i.State, err = w.encrypt(ctx, s, f.key, e.Force, e.DryRun); err != nil {
		return i.failed(err)
	}
	return i
}

// open opens a file of the source; nil: it is left out, and why.
func (f found) open(rules *naming.Rules) (s *source, why string, err error) {
	switch {
	case f.why != "":
		return nil, f.why, nil
	case f.walked && rules.LocalOnly(f.key, naming.AsFile):
		return nil, "skipped: a name that nobody means stays on its machine", nil
	}
	s, err = openSource(f.path, f.walked)
	if err != nil || !f.walked || !sidecar.Is(f.path) {
		return s, "", err
	}
	is, err := s.isSidecar()
	if err == nil && !is {
		return s, "", nil
	}
	s.close()
	return nil, "skipped: settings of another encryption, of which the file gets its own", err
}

// isSidecar reports whether a file is the settings of another; one beside which a file stands that
// would need its name is refused.
func (s *source) isSidecar() (bool, error) {
	text := make([]byte, min(s.size(), sidecar.MaxSize+1))
	if _, err := s.f.ReadAt(text, 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if _, err := sidecar.Parse(text); err == nil {
		return true, nil
	}
	base, _ := sidecar.Base(s.f.Name())
	if _, err := os.Lstat(base); err == nil {
		return false, verdict.With(fmt.Errorf("%s has the name that the settings of %s need", human.Quoted(s.f.Name()), human.Quoted(filepath.Base(base))), verdict.Exists, "rename one of them")
	}
	return false, nil
}
