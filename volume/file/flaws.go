package file

import (
	"mcfs/volume/flaw"
)

// A program whose write fails often goes on, or ends, and closes the file all the same:
// tee, cp and encoders do. What it leaves is not what it meant, so that its close does
// not publish it (P6).

// FlawKinds are the errors that a caller tells apart.
var FlawKinds = flaw.Kinds{"full": ErrFull, "big": ErrTooBig, "stale": ErrStale, "interrupted": ErrInterrupted}

// cutFlawsLocked notes that the file was made to end at size: whoever does that after a
// failure has given up what it could not write. With O_DIRECT the kernel does it, too,
// before the program knows of the failure: that leaves the cursor's own.
func (c *Content) cutFlawsLocked(by *Cursor, size int64) {
	var own any
	if by.Direct {
		own = by
	}
	c.Flaws = c.Flaws.Cut(size, own)
}

// ForgetFlawsLocked lets go of those of a file that is as it was: none of the writes was
// taken.
func (c *Content) ForgetFlawsLocked() {
	if c.State == Clean {
		c.Flaws = nil
	}
}

// ReasonLocked is why the draft was not committed when it was last asked for, or will not be.
func (c *Content) ReasonLocked() error {
	if err := c.Flaws.Err(); err != nil && c.State != Clean {
		return err
	}
	if c.Control == ClosedUnfinished && c.State == Interrupted {
		return errUnfinished
	}
	return c.Failure
}

// PeekFlaws is why the draft is not to be published; nil if it may be.
func (c *Content) PeekFlaws() error {
	c.Lock()
	defer c.Unlock()
	return c.Flaws.Err()
}
