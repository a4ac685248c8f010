package offline

import (
	"context"
	"errors"
	"time"

	"mcfs/config"
	"mcfs/internal/backend"
	"mcfs/internal/verdict"
	"mcfs/volume/fetch"
	"mcfs/volume/remote"
)

// Rewrapping is what `mcfs rewrap` is to do.
type Rewrapping struct {
	Options
	Config   config.Config
	Places   Places
	Manifest string  // of an inventory, instead of Places; "": none
	Rate     float64 // requests to the keeper a second, at most
}

// Rewrap has the data keys of files wrapped under the key of the configuration. What was encrypted
// stays as it is.
func Rewrap(ctx context.Context, f Rewrapping) error {
	f.What, f.Once = "rewrapped", f.Once || f.Manifest != ""
	b, err := backend.Open(ctx, f.Config, discard)
	if err != nil {
		return err
	}
	return rewrapAll(ctx, f, b)
}

// rewrapAll closes the store.
func rewrapAll(ctx context.Context, f Rewrapping, b backend.Backend) (err error) {
	v, err := newVolume(f.Config, b, b.Store, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	pace := time.NewTicker(time.Duration(float64(time.Second) / f.Rate))
	defer pace.Stop()
	return each(ctx, f.Options, func(ctx context.Context, do func(checked) bool) error {
		return v.named(ctx, f.Places, f.Manifest, do)
	}, v.asked(func(ctx context.Context, c checked) Item { return v.rewrap(ctx, f, c, pace.C) }))
}

// rewrap wraps one file's data key anew.
func (v *Volume) rewrap(ctx context.Context, f Rewrapping, c checked, pace <-chan time.Time) Item {
	i := Item{Address: v.name(c.listing.Key), State: There}
	if c.err != nil {
		i.Address = c.place
		return i.failed(c.err)
	}
	x, err := v.checkable(ctx, c.entry)
	switch {
	case err != nil:
		return i.failed(err)
	case x.Damage != nil:
		return i.failed(errors.Join(fetch.ErrTampered, x.Damage))
	case x.Foreign():
		i.State, i.Why = Skipped, "skipped: it was not encrypted by mcfs"
		return i
	}
	i.Size = x.Plain
	to := v.keeper.KeyID()
	if _, keyID := x.DataKey(); f.DryRun {
		if keyID != to {
			i.State = Would
		}
		return i
	}
	changed, err := v.remote.Rewrap(ctx, x, to, func(ctx context.Context, wrapped []byte, keyID string) ([]byte, string, error) {
		select {
		case <-pace:
		case <-ctx.Done():
			return nil, "", context.Cause(ctx)
		}
		ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
		defer cancel()
		return v.keeper.Rewrap(ctx, wrapped, keyID)
	})
	switch {
	case errors.Is(err, remote.ErrNoSidecar):
		return i.failed(verdict.With(err, verdict.NoSettings, "encrypt it again, or mount the volume, which puts them"))
	case errors.Is(err, remote.ErrOtherVersion):
		return i.failed(verdict.With(err, verdict.StoreChanged, "run the same command again"))
	case err != nil:
		return i.failed(err)
	case changed:
		i.State = Done
	}
	return i
}
