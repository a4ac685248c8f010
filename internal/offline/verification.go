package offline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"mcfs/config"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/fetch"
	"mcfs/volume/remote"
)

// Verification is what `mcfs verify` is to do.
type Verification struct {
	Options
	Config   config.Config
	Places   Places
	Manifest string  // of an inventory, instead of Places; "": none
	Sample   float64 // of a hundred files so many are looked at
}

// Places calls do with each place until that reports false, or with why there is none.
type Places func(ctx context.Context, do func(place string, err error) bool) error

// checked is what is to be checked, or why it cannot be.
type checked struct {
	entry
	place string
}

// Verify checks whole objects against what was recorded of them.
func Verify(ctx context.Context, f Verification) (err error) {
	f.What, f.Once = "checked", f.Once || f.Manifest != ""
	v, err := OpenVolume(ctx, f.Config, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	return each(ctx, f.Options, func(ctx context.Context, do func(checked) bool) error {
		return v.named(ctx, f.Places, f.Manifest, do)
	}, v.asked(func(ctx context.Context, c checked) Item { return v.check(ctx, f, c) }))
}

// below names what is at and below a place.
func (v *Volume) below(ctx context.Context, place string, err error, do func(checked) bool) bool {
	at, perr := ParsePlace(v.c, place)
	if err == nil {
		err = perr
	}
	more := true
	if err == nil {
		err = v.walk(ctx, at, func(e entry) bool {
			more = do(checked{e, place})
			return more
		})
	}
	if err != nil && more {
		return do(checked{entry{err: err}, place})
	}
	return more
}

// check checks one object.
func (v *Volume) check(ctx context.Context, f Verification, c checked) Item {
	i := Item{Address: v.name(c.listing.Key), State: Sound}
	switch {
	case c.err != nil:
		i.Address = c.place
		return i.failed(c.err)
	case f.Sample < 100 && rand.Float64()*100 >= f.Sample:
		i.State = Unsampled
		return i
	case f.DryRun:
		i.State = Would
		return i
	}
	x, err := v.checkable(ctx, c.entry)
	if err != nil {
		return i.failed(err)
	}
	i.Size = x.Cipher
	if err = v.matches(ctx, x); err == nil {
		err = v.prove(ctx, x)
	}
	if errors.Is(err, fetch.ErrUnprotected) {
		i.State, i.Why = Unchecked, "cannot be checked: its settings were made by hand, and nothing says what it should be"
		if x.Foreign() {
			i.Why = "cannot be checked: it was not encrypted by mcfs"
		}
		return i
	}
	if err != nil {
		return i.failed(err)
	}
	return i
}

// checkable describes what a walk has found. A sidecar whose object is gone is a loss.
func (v *Volume) checkable(ctx context.Context, e entry) (*remote.Version, error) {
	if e.lost {
		if err := v.mourn(ctx, e.listing.Key); err != nil {
			return nil, err
		}
	}
	l := e.listing
	l.SidecarUnknown = l.Sidecar.ETag == ""
	x, err := v.describe(ctx, l)
	if err == nil && x == nil {
		err = fmt.Errorf("it was removed meanwhile: %w", store.ErrNotExist)
	}
	return x, err
}

// matches fails if the settings beside an object are another version's: who goes by them cannot
// decrypt it.
func (v *Volume) matches(ctx context.Context, x *remote.Version) error {
	if x.Damage != nil || !x.WantsSidecar() || !x.Sidecar().IsNone() {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	key, _ := x.Place()
	found, err := v.remote.LookSidecar(ctx, key)
	if err != nil || found == nil || found.IsOf(x) {
		return err
	}
	if ours, err := v.remote.IsAt(ctx, x, key); err != nil || !ours {
		return err // it has just been replaced
	}
	return fmt.Errorf("the settings beside it are those of another version: %w", fetch.ErrTampered)
}

// mourn fails if a key is that of a sidecar, and no file's that is called as one.
func (v *Volume) mourn(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	body, _, err := v.store.Get(ctx, key, store.Range{}, "")
	if err != nil {
		return err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, sidecar.MaxSize+1))
	if err != nil {
		return err
	}
	if _, err := sidecar.Parse(text); err != nil {
		return nil
	}
	base, _ := sidecar.Base(key)
	there, err := v.look(ctx, base) // it may have been on its way
	if err != nil || there != nil {
		return err
	}
	return fmt.Errorf("%s is gone, and its settings are there: %w", v.name(base), fetch.ErrTampered)
}

// prove reads an object whole, and checks it. fetch.ErrTampered: it is not what was made;
// fetch.ErrUnprotected: nothing says what it should be.
func (v *Volume) prove(ctx context.Context, x *remote.Version) error {
	if x.Damage == nil && x.Foreign() {
		return fetch.ErrUnprotected
	}
	if x.Damage == nil && x.IsSymlink() {
		return v.proveLink(ctx, x)
	}
	r, err := v.open(ctx, x)
	if err != nil {
		return err
	}
	defer r.Close()
	err = r.Verify(ctx)
	if errors.Is(err, fetch.ErrStale) {
		return verdict.Errorf(verdict.StoreChanged, "run the same command again", "it was replaced or removed while it was read: %w", err)
	}
	return err
}

// proveLink checks a symlink's target. What the store or the keeper does not answer says nothing of it.
func (v *Volume) proveLink(ctx context.Context, x *remote.Version) error {
	_, err := v.remote.Target(ctx, x)
	if err == nil || remote.IsTransient(err) || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", fetch.ErrTampered, err)
}
