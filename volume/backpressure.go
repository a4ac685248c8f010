package volume

import (
	"context"
	"errors"
	"time"

	"mcfs/volume/file"
)

// waitForSpace waits for room in the spool, while uploads make progress or a view of one that
// has ended goes, and so make it, and has parts leave that do so only now. acks is Shared.Acks
// before the spool was found to be full.
func (v *Volume) waitForSpace(ctx context.Context, acks int64, cause error) error {
	v.endStaging()
	v.startEarlyUploads()
	before := v.moved()
	deadline := time.Now().Add(v.o.CloseTimeout)
	for (v.uploading() || v.shared.IsReleasing()) && time.Now().Before(deadline) {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-v.ctx.Done():
			return ErrShutdown
		}
		if v.moved() != before || v.shared.Acks.Load() != acks {
			return file.ErrSpaceMade
		}
	}
	if v.shared.Acks.Load() != acks { // the last part was acknowledged before anybody looked
		return file.ErrSpaceMade
	}
	v.log.Error("spool is full; raise spool.max_size or free the disk", "cause", cause)
	return errors.Join(ErrFull, cause)
}

// uploading reports whether anything is leaving that will make room: an upload whose
// writer has stopped makes none. moved counts what has left.
func (v *Volume) uploading() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := range v.busy {
		n.content.Lock()
		leaving := n.content.IsLeavingLocked()
		n.content.Unlock()
		if leaving || n.commit.AttemptLocked() != nil {
			return true
		}
	}
	return false
}

func (v *Volume) moved() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.movedLocked()
}

func (v *Volume) movedLocked() int64 {
	sum := v.finished
	for n := range v.busy {
		n.content.Lock()
		sum += n.content.SentEarlyLocked()
		n.content.Unlock()
		if n.commit.AttemptLocked() != nil {
			sum += n.commit.AttemptLocked().Progress()
		}
	}
	return sum
}
