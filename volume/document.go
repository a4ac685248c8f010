package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/commit"
	"mcfs/volume/document"
	"mcfs/volume/file"
	"mcfs/volume/remote"
)

// sidecarState is what a Sidecar's node has; guarded by Volume.mu, but for the file, which stays.
type sidecarState struct {
	file     *Node
	unlinked time.Time // when a program last removed it
	disowned bool      // a program has removed or renamed it, and it has not been shown since
	asker    uint32    // the thread that last looked it up
}

// sideShown reports whether the file has a sidecar to show: v.mu is held.
func (v *Volume) sideShown(n *Node) bool {
	if n.kind != File {
		return false
	}
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.Base == nil {
		return n.content.State == Clean && n.listed.Sidecar.ETag != "" && n.listed.Key == v.path(n)
	}
	key, _ := n.content.Base.Place()
	return n.content.Base.Sidecar().ETag != "" && n.content.Base == n.content.Replaces && key == v.path(n)
}

// hasSidecar is sideShown for a lookup of the name: while a rename or
// the last step of a commit is under way it waits a moment for its end.
func (v *Volume) hasSidecar(ctx context.Context, n *Node) bool {
	deadline := time.NewTimer(waitKnown)
	defer deadline.Stop()
	for {
		v.mu.Lock()
		shown := v.sideShown(n)
		settled := v.ended
		moving := len(n.queued) > 0 || n.commit.AttemptLocked() != nil && n.commit.AttemptLocked().StageLocked() != commit.Waiting
		v.mu.Unlock()
		if shown || !moving {
			return shown
		}
		select {
		case <-settled:
		case <-deadline.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// sidecarNode is the node of a file's sidecar, made when it is first looked up.
func (v *Volume) sidecarNode(n *Node) *Node {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.side == nil {
		n.side = &Node{v: v, ino: n.ino - 1, kind: Sidecar, doc: &sidecarState{file: n}}
	}
	n.side.doc.disowned = false
	return n.side
}

func (n *Node) sidecarAttr(ctx context.Context) (Attr, error) {
	a, err := n.doc.file.Attr(ctx)
	if err != nil {
		return Attr{}, err
	}
	n.doc.file.content.Lock()
	ver := n.doc.file.content.Base
	n.doc.file.content.Unlock()
	if ver == nil {
		return Attr{}, ErrNotExist
	}
	side := ver.Sidecar()
	if side.ETag == "" {
		return Attr{}, ErrNotExist
	}
	return Attr{
		Ino: n.ino, Size: side.Size, Mode: modeFile | a.Mode&0o444, UID: a.UID, GID: a.GID, Nlink: 1,
		Mtime: side.Modified, Atime: side.Modified, Ctime: side.Modified, Blocks: (side.Size + 511) / 512,
	}, nil
}

// openDocument fetches the sidecar's bytes, unless they are to be overwritten.
func (h *Handle) openDocument(ctx context.Context) error {
	if h.flags&os.O_TRUNC != 0 && h.flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		h.document = document.Emptied()
		return nil
	}
	text, err := h.n.v.Settings(ctx, h.n.doc.file)
	h.document = document.New(text)
	if err == nil && h.writable() {
		h.n.v.documents.Hold(h.n, h.document)
	}
	return err
}

// Settings returns the bytes of the file's sidecar as the store holds them.
// ErrNotExist: it has none, or it is not the object's.
func (v *Volume) Settings(ctx context.Context, n *Node) ([]byte, error) {
	switch n.kind {
	case Sidecar:
		n = n.doc.file
	case Tombstone:
		return nil, errMovedAlong
	}
	if err := n.describe(ctx); err != nil {
		return nil, err
	}
	n.content.Lock()
	ver := n.content.Base
	n.content.Unlock()
	if ver == nil || !v.hasSidecar(ctx, n) {
		return nil, ErrNotExist
	}
	ctx, cancel := context.WithTimeout(ctx, waitUnknown)
	defer cancel()
	text, err := v.remote.Settings(ctx, ver)
	switch {
	case errors.Is(err, remote.ErrOtherVersion):
		return nil, errors.Join(ErrStale, err)
	case err != nil:
		return nil, file.AsIO(err)
	case text == nil:
		return nil, ErrNotExist
	}
	return text, nil
}

// misplaced reports whether a draft under a sidecar's name has been begun with what is no
// settings document, though a file stands beside it whose settings it would be.
func (n *Node) misplaced(text []byte) bool {
	v := n.v
	v.mu.Lock()
	defer v.mu.Unlock()
	base, ok := sidecar.Base(n.name)
	if !ok || n.gone || n.parent == nil {
		return false
	}
	file := n.parent.dir.Get(base)
	if file == nil || file.kind != File || sidecar.MayBecome(text) {
		return false
	}
	n.content.Lock()
	defer n.content.Unlock()
	return !n.content.Ordinary && n.content.Base == nil
}

// judge decides, at close, about what was written over a sidecar: a settings
// document, whichever, is accepted and discarded, since the true one is made
// with its file; anything else is refused, and kept in quarantine.
func (h *Handle) judge(ctx context.Context) error {
	text := h.document.Take()
	if len(text) == 0 {
		return nil
	}
	if _, err := sidecar.Parse(text); err == nil {
		return nil
	}
	v, path := h.n.v, sidecar.Name(h.n.doc.file.Path())
	refused := fmt.Errorf("%s is reserved for the settings of its file: %w", path, ErrPermission)
	if err := v.quarantineText(ctx, path, text, refused.Error()); err != nil {
		v.log.Error("what was written over a sidecar is not kept", "path", path, "cause", err)
	}
	return refused
}

// quarantineText seals a text that no name can bear.
func (v *Volume) quarantineText(ctx context.Context, path string, text []byte, why string) error {
	key, err := v.keys.Get(ctx)
	if err != nil {
		return fmt.Errorf("data key: %w", err)
	}
	defer key.Wipe()
	f, err := v.spool.Create(spool.Header{ID: spool.NewID(), Wrapped: key.Wrapped, KeyID: key.KeyID, Path: path}, key.Plain)
	if err != nil {
		return file.FromSpool(err)
	}
	_, err = f.WriteAt(text, 0)
	err = errors.Join(err, v.spool.Quarantine(f.ID(), why)) // open still, so that its note says what it is
	return errors.Join(err, f.Close())
}
