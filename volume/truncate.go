package volume

import (
	"context"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// truncate sets the size, as a handle or a path asks.
func (n *Node) truncate(ctx context.Context, h *Handle, size int64) error {
	if size < 0 {
		return ErrInvalid
	}
	if err := n.v.checkSize(size); err != nil {
		return err
	}
	if err := n.checkOwnName(); err != nil {
		return err
	}
	if err := n.describe(ctx); err != nil {
		if size > 0 || n.isStale() {
			return err
		}
		n.assumeListed()
	}
	local := n.v.isLocal(n)
	err := n.attemptLocked(ctx, func() (obstacle, error) {
		if n.state == Lost && size == 0 {
			n.beginAnew(local)
			return nil, nil
		}
		if size == n.size() && n.known() && size > 0 {
			n.cutFlaws(h, size)
			return nil, nil
		}
		if o, err := n.preserve(); o != nil || err != nil {
			return o, err
		}
		if size == 0 {
			return n.empty(h)
		}
		if o := n.obstacleTo(min(size, n.size()), -1); o != nil {
			return o, nil
		}
		if o := n.fillNewCut(size); o != nil {
			return o, nil
		}
		if err := n.file.Truncate(size); err != nil {
			return n.overcome(err)
		}
		n.blank = false
		n.cutFlaws(h, size)
		n.changedContent(time.Now())
		return nil, nil
	})
	n.v.track(n)
	return err
}

// assumeListed lets the commit of an emptied file replace what the last listing
// showed, where nothing more is known of it.
func (n *Node) assumeListed() {
	n.v.mu.Lock()
	l := n.listed
	n.v.mu.Unlock()
	n.lock()
	defer n.unlock()
	if !n.known() && n.replaces == nil && l.ETag != "" {
		n.replaces = remote.Listed(l)
	}
}

// fillNewCut fetches the block that a smaller size cuts, if it is absent.
func (n *Node) fillNewCut(size int64) obstacle {
	start := size - size%crypt.BlockSize
	if size >= n.file.Size() || start == size {
		return nil
	}
	if at, _, ok := n.file.Absent(start); !ok || at > start {
		return nil
	}
	length := min(int64(crypt.BlockSize), n.file.Size()-start)
	return func(ctx context.Context) error { return n.fill(ctx, start, length) }
}

// empty makes the file empty: nothing needs fetching, and uploads may be eager again.
func (n *Node) empty(h *Handle) (obstacle, error) {
	needed := n.needsBase()
	switch {
	case n.stored != nil:
		return n.revive, nil
	case n.file == nil:
		n.blank = true
	default:
		if err := n.emptyFile(); err != nil {
			return nil, err
		}
		n.eager = true
	}
	n.leaveBase(needed)
	if n.attr.Mode == 0 {
		n.attr = sidecar.Attr{Mode: modeFile | 0o644, UID: n.v.o.UID, GID: n.v.o.GID}
	}
	n.cutFlaws(h, 0)
	n.changedContent(time.Now())
	return nil, nil
}

// beginAnew makes a lost draft an empty file. What is left of it stays in quarantine. n is locked.
func (n *Node) beginAnew(local bool) {
	if id, filed := n.entryID(); filed {
		n.v.finishEntry(id)
	}
	n.leaveBase(n.needsBase())
	if f := n.file; f != nil {
		n.file = nil
		n.v.dropFile(f)
	}
	n.fresh.Wipe()
	n.stored, n.boot, n.blankID, n.wrapped, n.keyID = nil, "", spool.ID{}, nil, ""
	n.blank, n.lostSize, n.unsafe, n.promised, n.failure, n.flaws = true, 0, 0, false, nil, nil
	n.changedContent(time.Now())
	if local {
		n.step(evHide)
	}
}

// isLocal reports whether the node's name is a local-only one.
func (v *Volume) isLocal(n *Node) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return n.parent != nil && !n.gone && v.rules.LocalOnly(v.path(n), naming.AsFile)
}

// emptyFile drops all that the sealed file has, what its upload alone has, too. What
// was promised of it before stays on the disk, as the map there has it.
func (n *Node) emptyFile() error {
	if err := n.file.Truncate(0); err != nil {
		return fromSpool(err)
	}
	if err := n.giveUpEager(); err != nil {
		return fromSpool(err)
	}
	n.unholdBytes()
	if n.state == Interrupted { // what it held is given up, and who saves it anew needs its room
		if err := n.file.Sync(false); err != nil {
			n.v.log.Debug("an emptied file takes its room as before", "inode", n.ino, "cause", err)
		}
	}
	return nil
}

// punch makes a range read as zeros.
func (n *Node) punch(ctx context.Context, off, length int64) error {
	err := n.attemptLocked(ctx, func() (obstacle, error) {
		length := min(length, n.size()-off)
		if length <= 0 || n.blank {
			return nil, nil
		}
		if err := n.v.checkSize(n.size()); err != nil {
			return nil, err
		}
		if o, err := n.preserve(); o != nil || err != nil {
			return o, err
		}
		if o := n.obstacleTo(off, off+length); o != nil {
			return o, nil
		}
		if err := n.file.PunchHole(off, length); err != nil {
			return n.overcome(err)
		}
		n.flaws = n.flaws.Without(off, off+length)
		n.changedContent(time.Now())
		return nil, nil
	})
	n.v.track(n)
	return err
}
