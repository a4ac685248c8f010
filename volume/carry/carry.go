package carry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"golang.org/x/sync/errgroup"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/listing"
	"mcfs/volume/naming"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// movers is how many objects are renamed at once.
const movers = 16

// Remote is what is asked of the versions in the store; a *remote.Client is one.
type Remote interface {
	Load(ctx context.Context, l remote.Listing) (*remote.Version, error)
	MoveMarkers(ctx context.Context, from, to string, markers []string) error
	MoveDamaged(ctx context.Context, from, to string, moved func(int64)) error
}

// Host is the tree in which the directory has its new name already.
type Host interface {
	// TakeKnownAttr gives a version the attributes that this machine knows of it, where a commit
	// that was to replace it has withdrawn its sidecar: the object alone does not state them.
	TakeKnownAttr(ver *remote.Version)
	// Rename renames one object, to a conflict name if another machine has taken its own, and
	// gives what is there then.
	Rename(ctx context.Context, from, to string, ver *remote.Version, s *queue.Stride) (*remote.Version, error)
	// Moved hears where a listed object is now.
	Moved(was remote.Listing, made *remote.Version)
}

// Move is the way of one directory's objects. From and To end in "/".
type Move struct {
	From, To string
	Store    store.Store
	Remote   Remote
	Host     Host
	Stride   func(object string) *queue.Stride
	Log      *slog.Logger
}

// Objects takes along all that the store has below From.
func (m *Move) Objects(ctx context.Context) error {
	var markers []string
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(movers)
	for page, err := range listing.Pages(gctx, m.Store, m.From) {
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		for _, o := range page.Objects {
			switch {
			case strings.HasSuffix(o.Key, "/"):
				if !m.staysBehind(o.Key, false) {
					markers = append(markers, o.Key)
				}
			case isSidecarOf(o.Key, page.Objects):
			default:
				g.Go(func() error { return m.object(gctx, o) })
			}
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return m.Remote.MoveMarkers(ctx, m.From, m.To, markers)
}

// isSidecarOf reports whether a key is that of a sidecar whose file is on the same
// page: that one takes it along. One whose file is on another page is looked at by
// itself. What has a sidecar is a file.
func isSidecarOf(key string, page []store.Info) bool {
	base, ok := sidecar.Base(key)
	if !ok {
		return false
	}
	found, own := false, false
	for _, o := range page {
		found = found || o.Key == base
		own = own || o.Key == sidecar.Name(key)
	}
	return found && !own
}

// object takes one along.
func (m *Move) object(ctx context.Context, o store.Info) error {
	l, err := m.look(ctx, o)
	if err != nil {
		return err
	}
	if base, ok := sidecar.Base(o.Key); ok && l.Sidecar.ETag == "" {
		if _, err := m.Store.Head(ctx, base); err == nil {
			return nil // its file takes it along
		}
	}
	if m.staysBehind(o.Key, l.Sidecar.ETag != "") {
		return nil
	}
	stride := m.Stride(o.Key)
	stride.Step(1) // who waits in close sees that something moves, though many objects are at their first requests
	ver, err := m.Remote.Load(ctx, l)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	stride.Step(1)
	if ver.WantsSidecar() && ver.Sidecar().IsNone() {
		m.Host.TakeKnownAttr(ver)
	}
	to := m.newKey(o.Key)
	if ver.Damage != nil {
		return m.Remote.MoveDamaged(ctx, o.Key, to, stride.Step)
	}
	made, err := m.Host.Rename(ctx, o.Key, to, ver, stride)
	if errors.Is(err, store.ErrNotExist) {
		return nil // removed elsewhere meanwhile
	}
	if err != nil {
		return err
	}
	stride.Done()
	m.Host.Moved(l, made)
	return nil
}

// look is an object as a listing shows it that has its sidecar, too.
func (m *Move) look(ctx context.Context, o store.Info) (remote.Listing, error) {
	l := remote.Listing{Key: o.Key, ETag: o.ETag, Size: o.Size, Modified: o.Modified}
	side, err := m.Store.Head(ctx, sidecar.Name(o.Key))
	switch {
	case err == nil:
		l.Sidecar = remote.SidecarOf(side)
	case !errors.Is(err, store.ErrNotExist):
		return l, err
	}
	return l, nil
}

func (m *Move) newKey(key string) string { return m.To + strings.TrimPrefix(key, m.From) }

// staysBehind reports whether an object has to stay where it is: its new key, or its sidecar's,
// would be too long.
func (m *Move) staysBehind(key string, hasSidecar bool) bool {
	to := m.newKey(key)
	if hasSidecar {
		to = sidecar.Name(to)
	}
	err := m.Store.CheckKey(to)
	if err == nil {
		return false
	}
	m.Log.Error("a directory was renamed, and the new name of a file in it would be too long: the file stays under the old name",
		"path", key, "cause", fmt.Errorf("%w: %w", naming.ErrTooLong, err))
	return true
}
