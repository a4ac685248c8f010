package offline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"mcfs/config"
	"mcfs/crypt"
	"mcfs/internal/backend"
	"mcfs/internal/verdict"
	"mcfs/keys"
	"mcfs/store"
	"mcfs/volume/fetch"
	"mcfs/volume/metacache"
	"mcfs/volume/remote"
)

// requestTimeout bounds what is asked of store and keeper beside content.
const requestTimeout = 30 * time.Second

var errNoAnswer = errors.New("no answer in time")

// discard is the log: what there is to say is said of each file.
var discard = slog.New(slog.DiscardHandler)

// Volume is a volume as its store has it, to be read.
type Volume struct {
	c       config.Config
	mode    crypt.Mode // of what is made
	store   store.Store
	keeper  keys.Keeper
	fetches *fetch.Engine
	remote  *remote.Client
}

// OpenVolume opens a volume to be read. streaming releases GCM's plaintext before its tag is checked.
// The caller closes it.
func OpenVolume(ctx context.Context, c config.Config, streaming bool) (*Volume, error) {
	if c.Store.Kind == config.StoreDir {
		if _, err := os.Stat(c.Store.Path); err != nil {
			return nil, verdict.Errorf(verdict.NoBucket, "correct store.path", "store folder: %w", err)
		}
	}
	a, err := backend.LoadAWS(ctx, c)
	if err != nil {
		return nil, err
	}
	k, err := backend.Keeper(ctx, c)
	if err != nil {
		return nil, err
	}
	st, err := backend.OpenStore(a, c, discard)
	if err != nil {
		return nil, err
	}
	return newVolume(c, backend.Backend{Store: st, Keeper: k}, st, streaming)
}

// newVolume puts the parts together. made is the store as those use it who put something there.
func newVolume(c config.Config, b backend.Backend, made store.Store, streaming bool) (*Volume, error) {
	mode, err := crypt.ParseMode(string(c.Crypt.Mode))
	if err != nil {
		return nil, errors.Join(err, b.Store.Close())
	}
	v := &Volume{c: c, mode: mode, store: b.Store, keeper: b.Keeper}
	v.fetches = fetch.NewEngine(fetch.Config{
		Store: v.store, Concurrency: c.Upload.Concurrency, Streaming: streaming, Timeout: c.Upload.Timeout, Log: discard,
	})
	v.remote = remote.New(remote.Config{
		Store: made, Cache: new(metacache.Cache), Fetch: v.fetches, Unwrap: v.unwrap, Log: discard,
		UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), UncheckedSymlinks: c.Mount.UncheckedSymlinks,
	})
	return v, nil
}

// Close ends what is under way.
func (v *Volume) Close() error {
	v.fetches.Close()
	return v.store.Close()
}

// unwrap gives a data key, which the caller wipes.
func (v *Volume) unwrap(ctx context.Context, wrapped []byte, keyID string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	return v.keeper.Unwrap(ctx, wrapped, keyID)
}

// look describes what stands under a key; nil: nothing does.
func (v *Volume) look(ctx context.Context, key string) (*remote.Version, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	info, err := v.store.Head(ctx, key)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", v.name(key), err)
	}
	info.Key = key
	return v.describe(ctx, remote.ListingOf(info))
}

// describe describes what was listed; nil: it is gone.
func (v *Volume) describe(ctx context.Context, l remote.Listing) (*remote.Version, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	x, err := v.remote.Describe(ctx, l)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	return x, err
}

// open opens a version to be read whole. Its key is wiped at once: the Reader has its own.
func (v *Volume) open(ctx context.Context, x *remote.Version) (*fetch.Reader, error) {
	if x.Damage != nil {
		return nil, fmt.Errorf("%w: %w", fetch.ErrTampered, x.Damage)
	}
	if x.Foreign() {
		return v.fetches.Open(x.Fetchable(), nil, nil)
	}
	wrapped, keyID := x.DataKey()
	key, err := v.unwrap(ctx, wrapped, keyID)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	r, err := v.fetches.Open(x.Fetchable(), key, nil)
	if err != nil {
		return nil, err
	}
	x.NoteCheck(r.Check())
	return r, nil
}
