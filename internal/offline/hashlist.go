package offline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"

	"mcfs/config"
	"mcfs/internal/human"
	"mcfs/internal/mhl"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/volume/fetch"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// ListComparison is what `mcfs verify --mhl` is to do.
type ListComparison struct {
	Options
	Config config.Config
	List   string // the file of a media hash list
	Place  Place  // of the folder that the list is of
	Sample float64
}

// listCheck is a comparison under way.
type listCheck struct {
	ListComparison
	v     *Volume
	list  *mhl.List
	rules *naming.Rules
}

// listed is a file of the store, of the list, or of both.
type listed struct {
	entry
	path string    // from the folder that the list is of
	file *mhl.File // nil: the list does not have it
	gone bool      // the walk has not come by it
}

// CompareList reads every byte of the files of a media hash list from the store, decrypts them, and
// compares their hashes. What the store lacks is a loss, and so is what it has besides.
func CompareList(ctx context.Context, c ListComparison) (err error) {
	c.What = "compared"
	rules, err := naming.NewRules(c.Config.Mount.LocalOnly)
	if err != nil {
		return err
	}
	list, err := readList(c.List)
	if err != nil {
		return err
	}
	v, err := OpenVolume(ctx, c.Config, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	l := &listCheck{c, v, list, rules}
	return each(ctx, c.Options, l.all, l.one)
}

// readList reads a media hash list of this machine.
func readList(path string) (*mhl.List, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := mhl.Parse(f)
	if errors.Is(err, mhl.ErrMalformed) {
		return nil, verdict.With(fmt.Errorf("%s: %w", human.Quoted(path), err), verdict.HashList, "have the program that wrote it write it again")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", human.Quoted(path), err)
	}
	return list, nil
}

// all names the files of the store, and then those that the list has besides.
func (l *listCheck) all(ctx context.Context, do func(listed) bool) error {
	seen := make([]bool, len(l.list.Files))
	prefix, more := l.Place.prefix(), true
	err := l.v.walk(ctx, Place{Key: l.Place.Key, Folder: true}, func(e entry) bool {
		f := listed{entry: e, path: strings.TrimPrefix(e.listing.Key, prefix)}
		if i, ok := l.list.Find(f.path); ok {
			f.file, seen[i] = &l.list.Files[i], true
		}
		more = do(f)
		return more
	})
	if err != nil || !more {
		return err
	}
	for i := range l.list.Files {
		f := listed{path: l.list.Files[i].Path, file: &l.list.Files[i], gone: true}
		f.entry.listing.Key = prefix + f.path
		if !seen[i] && !do(f) {
			return nil
		}
	}
	return nil
}

// one compares one file.
func (l *listCheck) one(ctx context.Context, f listed) Item {
	i := Item{Address: l.v.name(f.listing.Key), State: Sound}
	switch {
	case f.file == nil:
		return l.besides(ctx, i, f)
	case f.gone && l.rules.LocalOnly(f.listing.Key, naming.AsFile):
		i.State, i.Why = Skipped, "skipped: a name that nobody means stays on its machine"
		return i
	case f.gone && l.isSettings(f.path):
		i.State, i.Why = Skipped, "skipped: the settings of a file, which change without it"
		return i
	case !f.gone && l.Sample < 100 && rand.Float64()*100 >= l.Sample:
		i.State = Unsampled
		return i
	case l.DryRun:
		i.State = Would
		return i
	}
	x, err := l.find(ctx, f)
	if err == nil {
		err = l.v.encrypted(ctx, x, f.listing.Key)
	}
	if err != nil {
		return i.failed(err)
	}
	i.Size = x.Plain
	return l.compare(ctx, i, x, f.file)
}

// isSettings reports whether a name of the list is that of another's sidecar.
func (l *listCheck) isSettings(path string) bool {
	base, ok := sidecar.Base(path)
	if !ok {
		return false
	}
	_, ok = l.list.Find(base)
	return ok
}

// find describes a file of the store. One that the walk has not come by may have come since.
func (l *listCheck) find(ctx context.Context, f listed) (*remote.Version, error) {
	if f.gone {
		return l.v.look(ctx, f.listing.Key)
	}
	return l.v.checkable(ctx, f.entry)
}

// besides says what a file is that the list does not have.
func (l *listCheck) besides(ctx context.Context, i Item, f listed) Item {
	other, covered := l.list.Covers(f.path)
	switch {
	case covered:
		i.State, i.Why = Unchecked, "cannot be checked: it is left to another list, "+human.Quoted(other)+", which --mhl takes with the address of its folder"
		return i
	case l.list.LeavesOut(f.path):
		i.State, i.Why = Skipped, "skipped: the list leaves it out"
		return i
	case l.DryRun:
		i.State = Would
		return i
	}
	x, err := l.v.checkable(ctx, f.entry)
	if err != nil {
		return i.failed(err)
	}
	if x.Damage == nil && x.IsSymlink() {
		i.State, i.Why = Skipped, "skipped: it is a symbolic link"
		return i
	}
	i.State, i.Size = Damaged, x.Plain
	i.Err = verdict.Errorf(verdict.Damaged, "remove it, or have a list made that has it", "it is not in %s", human.Quoted(l.List))
	return i
}

// compare compares the hashes of what a version decrypts to with those of the list.
func (l *listCheck) compare(ctx context.Context, i Item, x *remote.Version, f *mhl.File) Item {
	if f.Size >= 0 && f.Size != x.Plain {
		return i.failed(fmt.Errorf("it has %d bytes, and %d by %s: %w", x.Plain, f.Size, human.Quoted(l.List), fetch.ErrTampered))
	}
	var kinds []mhl.Kind
	for _, h := range f.Hashes {
		kinds = append(kinds, h.Kind)
	}
	sums, _, err := l.v.hashes(ctx, x, kinds)
	if err != nil {
		return i.failed(err)
	}
	for n, h := range f.Hashes {
		if sums[n].Sum != h.Sum {
			return i.failed(fmt.Errorf("its %s is %s, and %s by %s: %w", h.Kind, sums[n].Sum, h.Sum, human.Quoted(l.List), fetch.ErrTampered))
		}
	}
	switch {
	case f.Failed:
		i.State, i.Why = Unchecked, "cannot be checked: the list says that it was not what it should be, when the list was made"
	case len(f.Hashes) == 0:
		i.State, i.Why = Unchecked, "cannot be checked: of its hashes the list has none that mcfs makes"
		if len(f.Unknown) > 0 {
			i.Why += ", but " + human.Quoted(strings.Join(f.Unknown, ", "))
		}
	}
	return i
}

// hashes reads a version whole, and makes the hashes of what it decrypts to; checked tells whether
// anything says what it should be.
func (v *Volume) hashes(ctx context.Context, x *remote.Version, kinds []mhl.Kind) (sums []mhl.Hash, checked bool, err error) {
	h := mhl.NewHasher(kinds)
	checked, err = v.copyOut(ctx, x, h)
	if errors.Is(err, fetch.ErrStale) {
		err = verdict.Errorf(verdict.StoreChanged, "run the same command again", "it was replaced or removed while it was read: %w", err)
	}
	return h.Sums(), checked, err
}
