package volume

import (
	"context"
	"errors"
	"fmt"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/spool"
	"mcfs/volume/remote"
)

// obstacle is what must be done, without the lock, before an attempt can be repeated.
type obstacle func(ctx context.Context) error

// errRoomMade is what an obstacle returns that has waited until something else moved:
// it may come again as often as that happens.
var errRoomMade = errors.New("an upload has moved")

// maxObstacles is how many obstacles an attempt overcomes. A few are usual; more means
// that what removes one brings it, or another, back.
const maxObstacles = 100

// attemptLocked runs try with n locked until it meets no obstacle. One that does not go
// away is an error: the attempt is never repeated for ever.
func (n *Node) attemptLocked(ctx context.Context, try func() (obstacle, error)) error {
	for met := 0; met < maxObstacles; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		n.lock()
		o, err := try()
		n.unlock()
		if err != nil || o == nil {
			return err
		}
		switch err := o(ctx); {
		case errors.Is(err, errRoomMade):
		case err != nil:
			return err
		default:
			met++
		}
	}
	return n.stuck()
}

// stuck is the error of an operation that gets no further, however often it is tried.
// It is a defect of this program, so the log says what a report of it needs.
func (n *Node) stuck() error {
	path := n.Path()
	n.lock()
	defer n.unlock()
	n.v.log.Error("an operation on a file was given up because it made no progress; please report this",
		"path", path, "state", n.state.String(), "size", n.size(), "sealed_file", n.file != nil, "reader", n.reader != nil,
		"version", n.ver != nil, "blank", n.blank, "recovered", n.stored != nil, "upload", n.up != nil)
	return fmt.Errorf("change %s: no progress: %w", path, ErrIO)
}

// obstacleTo says what stands between now and changing [off, end); a negative
// end is that of the file.
func (n *Node) obstacleTo(off, end int64) obstacle {
	if n.state == Lost {
		return func(context.Context) error { return fmt.Errorf("its draft is in quarantine: %w", ErrIO) }
	}
	if n.stored != nil {
		return n.revive
	}
	touched := end
	if end < 0 {
		touched = n.size()
	}
	if n.up != nil && n.up.Touches(off, touched-off) {
		return n.recall()
	}
	if n.file == nil {
		return n.openDraft
	}
	// A block cut by the old end has bytes of the base before the cut only:
	// fetch it while its length still says where they end.
	if size := n.file.Size(); end > size || end < 0 {
		return n.fillCut(size)
	}
	return nil
}

// fillCut fetches the block that holds the file's end, if it is absent.
func (n *Node) fillCut(size int64) obstacle {
	start := size - size%crypt.BlockSize
	if start == size {
		return nil
	}
	if at, _, ok := n.file.Absent(start); !ok || at >= size {
		return nil
	}
	return func(ctx context.Context) error { return n.fill(ctx, start, size-start) }
}

// openDraft gives the file a sealed file to write into. That of a version which is
// being read serves, where there is one; else one is made.
func (n *Node) openDraft(ctx context.Context) error {
	n.lock()
	unread := n.based() != nil && n.reader == nil
	n.unlock()
	if unread {
		if err := n.prepare(ctx); err != nil {
			return err
		}
	}
	acks := n.v.acks.Load()
	err := n.makeFile(ctx)
	if isFull(err) {
		return n.v.waitForRoom(acks, err)(ctx)
	}
	return err
}

// based is the version that has the bytes which the draft has not; nil: there is none. n is locked.
func (n *Node) based() *remote.Version {
	if n.blank {
		return nil
	}
	return n.ver
}

// makeFile gives a file that has no sealed file one, under a data key of its own, with
// the bytes of its base absent.
func (n *Node) makeFile(ctx context.Context) error {
	if err := n.lockOpening(ctx); err != nil {
		return err
	}
	defer n.unlockOpening()
	n.lock()
	made, base := n.file != nil, n.based()
	n.unlock()
	if made {
		return nil
	}
	key, err := n.v.keys.Get(ctx)
	if err != nil {
		return fmt.Errorf("data key: %w", errorsIO(err))
	}
	f, err := n.createFile(key, base)
	if err != nil {
		key.Wipe()
		return err
	}
	n.lock()
	defer n.unlock()
	if n.file != nil || n.stored != nil || n.based() != base {
		key.Wipe()
		return n.v.discardFile(f)
	}
	n.adopt(f, key.Wrapped, key.KeyID)
	n.fresh = key
	n.blank, n.eager = false, base == nil
	return nil
}

// createFile makes a sealed file under the key: an empty one, or one that has of its
// base no byte yet.
func (n *Node) createFile(key keys.DataKey, base *remote.Version) (*spool.File, error) {
	path := n.Path()
	f, err := n.v.spool.Create(spool.Header{ID: n.fileID(), Wrapped: key.Wrapped, KeyID: key.KeyID, Path: path}, key.Plain)
	if err != nil {
		return nil, fromSpool(fmt.Errorf("draft of %s: %w", path, err))
	}
	if base == nil {
		return f, nil
	}
	if err := f.SetBase(base.Plain); err != nil {
		n.v.dropFile(f)
		return nil, fromSpool(fmt.Errorf("draft of %s: %w", path, err))
	}
	f.SetClean(0, -1)
	return f, nil
}

// fileID is the id for a sealed file that is to be made: the one under which the
// journal knows the draft already, if it does.
func (n *Node) fileID() spool.ID {
	n.lock()
	defer n.unlock()
	if n.blankID != (spool.ID{}) {
		return n.blankID
	}
	return spool.NewID()
}

// recall gives the eager upload up because a part that has left is to change: its
// keystream must never cover two plaintexts (P2). The commit starts over under a
// fresh key, if all the bytes are still here. n is locked.
func (n *Node) recall() obstacle {
	if err := n.giveUpEager(); err != nil {
		return func(context.Context) error { return n.outOfReach("cannot change a part of a file that was sent", err) }
	}
	return func(context.Context) error {
		n.v.log.Info("a part that was already sent is written again: its upload starts over at close", "path", n.Path())
		return nil
	}
}

// outOfReach logs why bytes that an upload alone has are not to be had before the commit.
func (n *Node) outOfReach(what string, err error) error {
	n.v.log.Error(what+" and dropped from the full spool before its commit; raise spool.max_size", "path", n.Path(), "cause", err)
	return fromSpool(err)
}

// overcome turns what the spool says into an obstacle, if it can be removed.
func (n *Node) overcome(err error) (obstacle, error) {
	if absent, ok := absentRange(err); ok {
		return func(ctx context.Context) error { return n.fill(ctx, absent.Offset, absent.Length) }, nil
	}
	if isSent(err) {
		return func(context.Context) error { return n.outOfReach("cannot change a part of a file that was sent", err) }, nil
	}
	if isFull(err) {
		return n.v.waitForRoom(n.v.acks.Load(), err), nil
	}
	return nil, fromSpool(fmt.Errorf("write: %w", err))
}
