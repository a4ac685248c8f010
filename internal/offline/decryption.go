package offline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"mcfs/config"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
	"mcfs/internal/verdict"
	"mcfs/store"
	"mcfs/volume/fetch"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// Decryption is what `mcfs decrypt` is to do.
type Decryption struct {
	Options
	Config    config.Config
	Source    Place
	Manifest  string // of an inventory: of what it has below Source; "": none
	Target    string // file or directory; "-": Out
	Force     bool   // replaces files
	Streaming bool   // writes GCM's plaintext before its tag is checked
}

// Decrypt writes the plaintext of an object, or of all below a place, into files.
func Decrypt(ctx context.Context, d Decryption) (err error) {
	d.What, d.Once = "decrypted", d.Manifest != ""
	if d.Target != "-" {
		if err := CheckPlaintext(d.Config, d.Target); err != nil {
			return err
		}
	}
	v, err := OpenVolume(ctx, d.Config, d.Streaming)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	if d.Target == "-" {
		return v.toOutput(ctx, d)
	}
	var e *entry
	if d.Manifest == "" {
		if e, err = v.file(ctx, d.Source); err != nil {
			return err
		}
	}
	dir, name := d.Target, ""
	if e != nil {
		if dir, name = d.place(); name == "" {
			name = path.Base(d.Source.Key)
		}
	}
	if !d.DryRun {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	t := &target{dir: dir, force: d.Force, dry: d.DryRun}
	if err := t.open(); err != nil {
		return err
	}
	defer t.close()
	if e != nil {
		return each(ctx, d.Options, one(*e), func(ctx context.Context, e entry) Item { return v.decrypt(ctx, e, t, name) })
	}
	return each(ctx, d.Options, func(ctx context.Context, do func(checked) bool) error {
		return v.tree(ctx, d, do)
	}, v.asked(func(ctx context.Context, c checked) Item {
		return v.decrypt(ctx, c.entry, t, strings.TrimPrefix(c.listing.Key, d.Source.prefix()))
	}))
}

// tree names what is to be decrypted.
func (v *Volume) tree(ctx context.Context, d Decryption, do func(checked) bool) error {
	if d.Manifest != "" {
		return v.inventoried(ctx, d.Manifest, d.Source.prefix(), do)
	}
	return v.walk(ctx, Place{Key: d.Source.Key, Folder: true}, func(e entry) bool { return do(checked{entry: e}) })
}

// place is the folder and the name of a single file; name "": that of the object.
func (d Decryption) place() (dir, name string) {
	if info, err := os.Stat(d.Target); err == nil && info.IsDir() || strings.HasSuffix(d.Target, "/") {
		return d.Target, ""
	}
	return filepath.Dir(d.Target), filepath.Base(d.Target)
}

// file is the object that a place is; nil: it is a folder.
func (v *Volume) file(ctx context.Context, at Place) (*entry, error) {
	if at.Folder {
		return nil, nil
	}
	e, err := v.single(ctx, at.Key)
	switch {
	case err != nil:
		return nil, err
	case e == nil:
		return nil, v.checkFolder(ctx, at)
	case e.lost:
		return nil, v.mourn(ctx, e.listing.Key)
	}
	return e, nil
}

// checkFolder fails if nothing is below a place.
func (v *Volume) checkFolder(ctx context.Context, at Place) error {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	page, err := v.store.List(ctx, at.prefix(), "", "", 1)
	if err == nil && len(page.Objects) == 0 {
		err = fmt.Errorf("%s: %w", v.name(at.Key), store.ErrNotExist)
	}
	return err
}

// CheckPlaintext refuses a place where no plaintext may be.
func CheckPlaintext(c config.Config, dest string) error {
	full, err := filepath.Abs(dest)
	if err != nil {
		return err
	}
	real := mounts.Real(full)
	if mounts.Within(real, mounts.Real(c.Spool.Dir)) {
		return verdict.Errorf(verdict.Place, "choose another place", "%s lies in the spool, where no plaintext may be", dest)
	}
	if c.Store.Kind == config.StoreDir && mounts.Within(real, mounts.Real(c.Store.Path)) {
		return verdict.Errorf(verdict.Place, "choose another place", "%s lies in the store, where no plaintext may be", dest)
	}
	return nil
}

// toOutput writes one object to standard output.
func (v *Volume) toOutput(ctx context.Context, d Decryption) error {
	if d.JSON {
		return verdict.Errorf(verdict.Usage, "leave out one of them", "standard output cannot have both the file and JSON")
	}
	e, err := v.file(ctx, d.Source)
	if err != nil {
		return err
	}
	if e == nil {
		return fmt.Errorf("%s: %w", v.name(d.Source.Key), store.ErrNotExist)
	}
	x, err := v.checkable(ctx, *e)
	if err == nil {
		_, err = v.copyOut(ctx, x, d.Out)
	}
	if errors.Is(err, fetch.ErrTampered) {
		return verdict.Ended{Err: verdict.With(fmt.Errorf("%s: %w: nothing of what was written may be used", v.name(d.Source.Key), err), verdict.Damaged, "restore it from a copy, or from an earlier version of the object"), Status: verdict.StatusDamage}
	}
	return err
}

// copyOut decrypts a version to w, and reports whether it could be checked.
func (v *Volume) copyOut(ctx context.Context, x *remote.Version, w interface{ Write([]byte) (int, error) }) (checked bool, err error) {
	r, err := v.open(ctx, x)
	if err != nil {
		return false, err
	}
	defer r.Close()
	if err := copyPlain(ctx, w, r, x.Plain); err != nil {
		return false, err
	}
	err = r.Verify(ctx) // a pass that the reading has made is not made again
	if errors.Is(err, fetch.ErrUnprotected) {
		return false, nil
	}
	return err == nil, err
}

// decrypt writes one object to a name below the target.
func (v *Volume) decrypt(ctx context.Context, e entry, t *target, name string) Item {
	i := Item{Path: filepath.Join(t.dir, filepath.FromSlash(name)), Address: v.name(e.listing.Key), State: Skipped}
	for _, elem := range strings.Split(name, "/") {
		if !naming.Showable(elem) {
			i.Path = ""
			return i.failed(verdict.Errorf(verdict.Usage, "name it itself, with another target", "%s: no file can be called so", human.Quoted(name)))
		}
	}
	x, err := v.checkable(ctx, e)
	if err != nil {
		return i.failed(err)
	}
	i.Size = x.Plain
	if x.Damage == nil && x.IsSymlink() {
		i.Why = "skipped: it is a symbolic link"
		return i
	}
	there, err := t.look(name)
	switch {
	case err != nil:
		return i.failed(err)
	case there && !t.force:
		if !t.dry {
			if err := t.removeLeft(name); err != nil {
				return i.failed(err)
			}
		}
		return v.compareFile(ctx, x, t, i, name)
	case t.dry:
		i.State = Would
		return i
	}
	checked, err := t.write(name, x.Attr(), func(f *os.File) (bool, error) { return v.copyOut(ctx, x, f) })
	if err != nil {
		return i.failed(err)
	}
	i.State = Done
	if !checked {
		i.Why = "decrypted, but could not be checked: nothing says what it should be"
	}
	return i
}

// compareFile reports whether a file that is there already is what an object has.
func (v *Volume) compareFile(ctx context.Context, x *remote.Version, t *target, i Item, name string) Item {
	f, err := t.root.Open(filepath.FromSlash(name))
	if err != nil {
		return i.failed(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return i.failed(err)
	}
	same := false
	if info.Mode().IsRegular() {
		if same, _, err = v.same(ctx, f, info.Size(), x); err != nil {
			return i.failed(err)
		}
	}
	if !same {
		return i.failed(verdict.Errorf(verdict.Exists, "--force replaces it", "%s is there already, and is another", human.Quoted(i.Path)))
	}
	i.State = There
	return i
}

// errTaken is a file that has come meanwhile.
func errTaken(path string) error {
	return verdict.With(fmt.Errorf("%s: %w", human.Quoted(path), fs.ErrExist), verdict.Exists, "--force replaces it")
}
