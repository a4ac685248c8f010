package file

import (
	"errors"
	"fmt"
)

// Promise is why a draft is made durable.
type Promise uint8

const (
	Behind  Promise = iota // nobody's of the content as it is: what a close asked for stays instead, if it is safe
	Closed                 // a close's
	Fsynced                // an fsync's
)

// Keep makes the draft's bytes, map and journal entry durable in the spool. Of a file
// of which an upload alone has some bytes only the entry, so that the next mount can
// name it; that is an error, with a *spool.SentError.
func (c *Content) Keep(p Promise) error {
	err := c.KeepBytes(p)
	if err != nil && !IsSent(err) {
		return err
	}
	return errors.Join(err, c.host.Save())
}

// KeepBytes makes the bytes and the map durable, and has the spool hold them until the
// commit; the journal entry is to follow.
func (c *Content) KeepBytes(p Promise) error {
	c.Lock()
	file, gen := c.sealed, c.Gen
	if c.State == Clean || c.State == Lost {
		c.Unlock()
		return nil
	}
	if p == Behind && c.RewrittenLocked() {
		c.Unlock()
		return nil
	}
	if err := c.holdBytesLocked(); err != nil {
		c.unkept = gen
		c.Unlock()
		return c.outOfReach("cannot make a file safe of which parts were sent", err)
	}
	c.syncing++
	c.Unlock()
	var err error
	if file != nil {
		err = file.Sync(false)
	}
	c.Lock()
	c.syncing--
	if err == nil {
		c.Kept = max(c.Kept, gen)
	}
	c.Unlock()
	if err != nil {
		return FromSpool(fmt.Errorf("sync %s: %w", c.host.Path(), err))
	}
	return nil
}

// KeepFast is enough for kill -9: what a close under a local-only name needs. The
// bytes may wait for the disk, as the system has them, and the entry says so; the
// journal may not, for nobody but it knows of the file.
func (c *Content) KeepFast() error {
	c.Lock()
	file, gen := c.sealed, c.Gen
	held, told := c.holdBytesLocked(), c.toFinalName
	if held != nil && told {
		c.unkept = gen // as the next mount is to know: only a rename can have it committed
	}
	c.Unlock()
	switch {
	case held != nil && told:
		c.shared.Log.Warn("a file larger than the spool was closed under a temporary name: it is not safe before it is renamed and uploaded", "path", c.host.Path())
		return c.host.Save()
	case held != nil:
		return nil // the last close commits it; before that nobody is promised what does not fit into the spool
	}
	if file != nil {
		if err := file.Sync(true); err != nil {
			return FromSpool(fmt.Errorf("keep %s: %w", c.host.Path(), err))
		}
	}
	c.Lock()
	c.Kept = max(c.Kept, gen)
	c.Unlock()
	return c.host.Save()
}

// TryToHold keeps from now on in the spool what a close waits for, so that it is
// safe there if the close fails; unless some of it is in the upload alone already.
func (c *Content) TryToHold() {
	c.Lock()
	defer c.Unlock()
	if err := c.holdBytesLocked(); err != nil {
		c.shared.Log.Debug("a file larger than the spool is not safe before its commit", "inode", c.host.Ino(), "cause", err)
	}
}
