package file

import (
	"context"
	"errors"
	"fmt"

	"mcfs/crypt"
)

// obstacle is what must be done, without the lock, before an attempt can be repeated.
type obstacle func(ctx context.Context) error

// ErrSpaceMade is what an obstacle returns that has waited until something else moved:
// it may come again as often as that happens.
var ErrSpaceMade = errors.New("an upload has moved")

// maxObstacles is how many obstacles an attempt overcomes. A few are usual; more means
// that what removes one brings it, or another, back.
const maxObstacles = 100

// attempt runs try, with the content locked, until it meets no obstacle. One that does not go
// away is an error: the attempt is never repeated for ever.
func (c *Content) attempt(ctx context.Context, try func() (obstacle, error)) error {
	for met := 0; met < maxObstacles; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		c.Lock()
		o, err := try()
		c.Unlock()
		if err != nil || o == nil {
			return err
		}
		switch err := o(ctx); {
		case errors.Is(err, ErrSpaceMade):
		case err != nil:
			return err
		default:
			met++
		}
	}
	return c.stuck()
}

// stuck is the error of an operation that gets no further, however often it is tried.
// It is a defect of this program, so the log says what a report of it needs.
func (c *Content) stuck() error {
	path := c.host.Path()
	c.Lock()
	defer c.Unlock()
	sealed, reader := c.HeldLocked()
	c.shared.Log.Error("an operation on a file was given up because it made no progress; please report this",
		"path", path, "state", c.State.String(), "size", c.SizeLocked(), "sealed_file", sealed, "reader", reader,
		"version", c.Base != nil, "blank", c.blank, "recovered", c.stored != nil, "upload", c.early != nil)
	return fmt.Errorf("change %s: no progress: %w", path, ErrIO)
}

// obstacleToLocked says what stands between now and changing [off, end); a negative
// end is that of the file.
func (c *Content) obstacleToLocked(off, end int64) obstacle {
	if c.State == Lost {
		return func(context.Context) error { return fmt.Errorf("its draft is in quarantine: %w", ErrIO) }
	}
	if c.stored != nil {
		return c.Revive
	}
	touched := end
	if end < 0 {
		touched = c.SizeLocked()
	}
	if c.early != nil && c.early.Touches(off, touched-off) {
		return c.recallLocked()
	}
	if c.sealed == nil {
		return c.openDraft
	}
	// A block cut by the old end has bytes of the base before the cut only:
	// fetch it while its length still says where they end.
	if size := c.sealed.Size(); end > size || end < 0 {
		return c.fillCutLocked(size)
	}
	return nil
}

// fillCutLocked fetches the block that holds the file's end, if it is absent.
func (c *Content) fillCutLocked(size int64) obstacle {
	start := size - size%crypt.BlockSize
	if start == size {
		return nil
	}
	if at, _, ok := c.sealed.Absent(start); !ok || at >= size {
		return nil
	}
	return func(ctx context.Context) error { return c.fill(ctx, start, size-start) }
}

// recallLocked gives the early upload up because a part that has left is to change: its
// keystream must never cover two plaintexts (P2). The commit starts over under a
// fresh key, if all the bytes are still here.
func (c *Content) recallLocked() obstacle {
	if err := c.GiveUpEarlyLocked(); err != nil {
		return func(context.Context) error { return c.outOfReach("cannot change a part of a file that was sent", err) }
	}
	return func(context.Context) error {
		c.shared.Log.Info("a part that was already sent is written again: its upload starts over at close", "path", c.host.Path())
		return nil
	}
}

// outOfReach logs why bytes that an upload alone has are not to be had before the commit.
func (c *Content) outOfReach(what string, err error) error {
	c.shared.Log.Error(what+" and dropped from the full spool before its commit; raise spool.max_size", "path", c.host.Path(), "cause", err)
	return FromSpool(err)
}

// overcomeLocked turns what the spool says into an obstacle, if it can be removed.
func (c *Content) overcomeLocked(err error) (obstacle, error) {
	if absent, ok := absentRange(err); ok {
		return func(ctx context.Context) error { return c.fill(ctx, absent.Offset, absent.Length) }, nil
	}
	if IsSent(err) {
		return func(context.Context) error { return c.outOfReach("cannot change a part of a file that was sent", err) }, nil
	}
	if isFull(err) {
		return c.awaitSpaceLocked(c.shared.Acks.Load(), err), nil
	}
	return nil, FromSpool(fmt.Errorf("write: %w", err))
}

// errUnordered is why no part of a file leaves a full spool that replaces a version in its place.
var errUnordered = errors.New("what replaces a version in its place can leave before the close only as far as it was written in order, from its start on")

// awaitSpaceLocked is the wait for space in the spool, which was found to be full after so many
// acknowledgements.
func (c *Content) awaitSpaceLocked(acks int64, full error) obstacle {
	if c.leave == onceFull && c.State == Writing && c.early == nil && !c.CanStartLocked() {
		full = fmt.Errorf("%w: %w", full, errUnordered)
	}
	return func(ctx context.Context) error { return c.host.WaitForSpace(ctx, acks, full) }
}

// HeldLocked reports whether there is a sealed file, and an open read pipeline.
func (c *Content) HeldLocked() (sealed, reader bool) { return c.sealed != nil, c.reader != nil }
