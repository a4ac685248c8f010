package offline

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"mcfs/config"
	"mcfs/crypt"
	"mcfs/internal/verdict"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/volume/fetch"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

// Promotion is what `mcfs promote` is to do.
type Promotion struct {
	Options
	From   config.Config // whose files are taken
	Config config.Config // to which they go
	Places Places        // in From
	Force  bool          // replaces what is there

	Manifest string // of an inventory of From, instead of Places; "": none
}

// Promote takes files to another store and under another key, encrypted as they are: with the data
// keys and IVs that they have.
func Promote(ctx context.Context, p Promotion) (err error) {
	p.What, p.Once = "promoted", p.Once || p.Manifest != ""
	if p.From.VolumeID() == p.Config.VolumeID() {
		return verdict.Errorf(verdict.Usage, "name the configuration of the volume from which they come with --from; mcfs rewrap changes the key in one volume",
			"both configurations have the same volume")
	}
	from, err := OpenVolume(ctx, p.From, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	w, err := OpenWriter(ctx, p.Config, p.DryRun)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close(ctx)) }()
	return w.promoteAll(ctx, p, from)
}

func (w *Writer) promoteAll(ctx context.Context, p Promotion, from *Volume) error {
	return each(ctx, p.Options, func(ctx context.Context, do func(checked) bool) error {
		return from.named(ctx, p.Places, p.Manifest, do)
	}, from.asked(func(ctx context.Context, c checked) Item { return w.promoteOne(ctx, p, from, c) }))
}

// promoteOne takes one file over.
func (w *Writer) promoteOne(ctx context.Context, p Promotion, from *Volume, c checked) Item {
	key := c.listing.Key
	i := Item{Path: from.name(key), Address: w.name(key), State: Skipped}
	if c.err != nil {
		i.Path, i.Address = c.place, ""
		return i.failed(c.err)
	}
	x, err := from.checkable(ctx, c.entry)
	switch {
	case err != nil:
		return i.failed(err)
	case x.Damage != nil:
		return i.failed(fmt.Errorf("%w: %w", fetch.ErrTampered, x.Damage))
	case x.Foreign():
		i.Why = "skipped: it was not encrypted by mcfs"
		return i
	case x.MAC == "" && x.Mode != crypt.GCM && !x.IsSymlink():
		i.State, i.Why = Unchecked, "not promoted: nothing says what it should be, and its new settings would vouch for it"
		return i
	}
	i.Size = x.Plain
	if i.State, err = w.promote(ctx, p, from, x, key); err != nil {
		return i.failed(err)
	}
	return i
}

// promote takes a version over, unless it is there.
func (w *Writer) promote(ctx context.Context, p Promotion, from *Volume, x *remote.Version, key string) (State, error) {
	there, side, err := w.before(ctx, key)
	switch {
	case err != nil:
		return Failed, err
	case there != nil && there.Damage == nil && there.IsSame(x):
		return w.complete(ctx, p, x, there, key)
	case there != nil && !p.Force:
		return Failed, w.another(key)
	case p.DryRun:
		return Would, nil
	}
	dataKey, err := w.wrapped(ctx, from, x)
	if err != nil {
		return Failed, err
	}
	defer dataKey.Wipe()
	if x.IsSymlink() {
		return w.promoteLink(ctx, from, x, dataKey, key)
	}
	return w.outcome(key, w.carry(ctx, from, x, dataKey, key, there, side))
}

// complete puts the settings of what is there without them.
func (w *Writer) complete(ctx context.Context, p Promotion, x, there *remote.Version, key string) (State, error) {
	if p.DryRun || !there.WantsSidecar() || !there.Sidecar().IsNone() {
		return There, nil
	}
	content, now := there.Content, there.State()
	content.MAC, now.Attr = x.MAC, x.Attr()
	ctx, cancel := tail(ctx)
	defer cancel()
	if err := w.remote.PublishFound(ctx, remote.NewVersion(content, now), key); err != nil {
		return Failed, err
	}
	return There, nil
}

// wrapped is a version's data key, wrapped under the key to which it goes. The caller wipes it.
func (w *Writer) wrapped(ctx context.Context, from *Volume, x *remote.Version) (keys.DataKey, error) {
	old, keyID := x.DataKey()
	plain, err := from.unwrap(ctx, old, keyID)
	if err != nil {
		return keys.DataKey{}, err
	}
	defer clear(plain)
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	return w.keeper.Wrap(ctx, plain)
}

// carry makes the object once more: the same content, key and IV give the same bytes.
func (w *Writer) carry(ctx context.Context, from *Volume, x *remote.Version, dataKey keys.DataKey, key string, there *remote.Version, side *remote.FoundSidecar) error {
	r, err := from.open(ctx, x)
	if err != nil {
		return err
	}
	defer r.Close()
	up, err := w.uploads.Start(upload.Target{Key: key}, dataKey, x.Mode, x.IV, nil)
	if err != nil {
		return err
	}
	defer up.Abort()
	c := &carried{x: x, stream: r.NewStream()}
	defer c.stream.Close()
	p := &publication{w: w, from: c, key: key, there: there, side: side, up: up}
	defer p.end(ctx)
	moving, stop := whileMoving(ctx, w.c.Upload.Timeout, p.moved, p.waits)
	defer stop()
	c.ctx = moving
	return p.finish(ctx, moving, c, x.Plain)
}

// carried is the content of a version, as a view of upload's.
type carried struct {
	ctx    context.Context
	x      *remote.Version
	stream *fetch.Stream
	read   atomic.Int64
}

func (c *carried) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.stream.ReadAt(c.ctx, p, off)
	c.read.Add(int64(n))
	return n, err
}

func (c *carried) Release() {}

func (c *carried) moved() int64 { return c.read.Load() }

func (c *carried) attr() sidecar.Attr { return c.x.Attr() }

// check refuses an object that is not the one that was recorded.
func (c *carried) check(sealed upload.Result) error {
	if c.x.MAC == "" {
		return nil // GCM, whose tag was checked before anything of it was read
	}
	if err := crypt.SameMAC(c.x.MAC, sealed.MAC); err != nil {
		return fmt.Errorf("%w: %w", fetch.ErrTampered, err)
	}
	return nil
}

// promoteLink puts a symlink, once it is proven to be one.
func (w *Writer) promoteLink(ctx context.Context, from *Volume, x *remote.Version, dataKey keys.DataKey, key string) (State, error) {
	if err := from.proveLink(ctx, x); err != nil {
		return Failed, err
	}
	now := x.State()
	now.Key, now.ETag, now.Wrapped, now.KeyID, now.Fallback = key, "", dataKey.Wrapped, dataKey.KeyID, nil
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	_, err := w.remote.PutSymlink(ctx, remote.NewVersion(x.Content, now), key, x.Attr())
	if errors.Is(err, remote.ErrTaken) {
		return Failed, w.another(key)
	}
	if err != nil {
		return Failed, err
	}
	return Done, nil
}
