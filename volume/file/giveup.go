package file

import (
	"errors"
	"fmt"

	"mcfs/spool"
	"mcfs/volume/upload"
)

// Once the spool is full, the blocks of parts that have been sent are dropped from
// it. Until its object is there, an upload then alone has some bytes of the file, and
// everything that would end it has to pass through here.

// uploadID is the spool's name for an upload: its IV, which no other has.
func uploadID(iv []byte) (id spool.ID) {
	copy(id[:], iv)
	return id
}

// GiveUpLocked ends an upload without an object, behind, and lets dropping go with it. It
// refuses, with a *spool.SentError, while that upload alone has bytes of the draft,
// or of content that is still to be committed other than dropping.
func (c *Content) GiveUpLocked(up *upload.Upload, dropping View) error {
	if c.sealed != nil && up != nil {
		if err := c.sealed.GiveUp(uploadID(up.Object().IV), frozenOf(dropping)); err != nil {
			return err
		}
	}
	c.EndUploadLocked(up, dropping)
	return nil
}

// AbandonLocked ends an upload whatever it alone has: nobody wants the draft any more,
// or it is lost.
func (c *Content) AbandonLocked(up *upload.Upload, dropping View) {
	c.retireLocked(up)
	c.EndUploadLocked(up, dropping)
}

// retireLocked leaves no more blocks to an upload alone: its file is closed.
func (c *Content) retireLocked(up *upload.Upload) {
	if c.sealed != nil && up != nil {
		c.sealed.Keep(uploadID(up.Object().IV))
	}
}

// EndUploadLocked aborts the upload and then releases the view, neither of which may be there.
func (c *Content) EndUploadLocked(up *upload.Upload, dropping View) {
	if up == nil && dropping == nil {
		return
	}
	c.shared.releasing.Add(1)
	release := func() {
		if dropping != nil {
			dropping.Release()
		}
		c.shared.Acks.Add(1)
		c.shared.releasing.Add(-1)
	}
	if up != nil {
		c.shared.abandon(up, release)
		return
	}
	c.shared.Background(release)
}

// GiveUpEarlyLocked gives up the upload of a draft that is still being written. The
// commit starts over under a fresh key.
func (c *Content) GiveUpEarlyLocked() error {
	if err := c.GiveUpLocked(c.early, nil); err != nil {
		return err
	}
	c.early, c.toFinalName, c.leave = nil, false, stays
	return nil
}

// holdBytesLocked has the spool keep all bytes of the draft until its commit. It refuses if
// an upload alone has some.
func (c *Content) holdBytesLocked() error {
	if c.held || c.sealed == nil {
		return nil
	}
	if err := c.sealed.Hold(); err != nil {
		return err
	}
	c.held = true
	return nil
}

// unholdBytesLocked undoes holdBytes.
func (c *Content) unholdBytesLocked() {
	if c.held && c.sealed != nil {
		c.sealed.Unhold()
	}
	c.held = false
}

// HoldForRenameLocked is holdBytes for a draft whose name is about to change, which ends its
// uploads, but for one that goes on. errBusy0 if one of those alone has some of what is to
// be committed.
func (c *Content) HoldForRenameLocked(goesOn bool) error {
	if c.State == Clean || c.sealed == nil {
		return nil
	}
	err := errors.Join(c.holdBytesLocked(), c.sealed.WholeEverywhere())
	switch {
	case err == nil:
		return nil
	case goesOn && IsSent(err):
		c.unkept = c.Gen
		return nil
	}
	return fmt.Errorf("%w: %w", ErrBusy, err)
}

// IsSent reports whether err says that an upload alone has bytes that are needed here.
func IsSent(err error) bool {
	var sent *spool.SentError
	return errors.As(err, &sent)
}

// YieldLocked reports whether an attempt can be ended by whose upload parts of the view have
// left: not where that alone has some of the file, unless the file is doomed.
func (c *Content) YieldLocked(up *upload.Upload, v View, doomed bool) bool {
	switch {
	case up == nil, c.sealed == nil:
		return true
	case doomed:
		c.retireLocked(up)
		return true
	}
	return c.sealed.GiveUp(uploadID(up.Object().IV), frozenOf(v)) == nil
}

// IsAnew reports whether the file was written anew since gen, and no upload alone has some of it.
func (c *Content) IsAnew(gen uint64) bool {
	c.Lock()
	defer c.Unlock()
	return c.sealed != nil && c.sealed.Whole() == nil && c.Gen > gen
}
