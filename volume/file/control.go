package file

import "errors"

// A program that fetches a file in pieces notes in a control file beside it what is there.
// Closed before that is removed, half a file looks like a whole one, but for the control file (P6).

// Control is what a control file has told of a draft.
type Control uint8

const (
	NoControl        Control = iota
	OpenUnfinished           // it was written while the file was open for writing: not all is there
	ClosedUnfinished         // and the file was closed like that: its removal has it committed
)

// errUnfinished is what status says of one.
var errUnfinished = errors.New("the control file beside it says that not all of it is there: finish it, or remove that file")

// NoteControl notes that a control file was written, or got its name.
func (c *Content) NoteControl() {
	c.Lock()
	defer c.Unlock()
	if c.Writers > 0 {
		c.Control = OpenUnfinished
	}
}

// IsWritten reports whether somebody has the file open for writing.
func (c *Content) IsWritten() bool {
	c.Lock()
	defer c.Unlock()
	return c.Writers > 0
}

// HoldUnfinishedLocked keeps the draft that is being closed from being published. It reports
// false where nothing would publish it.
func (c *Content) HoldUnfinishedLocked() bool {
	switch c.State {
	case Writing, Interrupted:
		c.StepLocked(EvSpoil)
	case Queued, Uploading, Publishing: // what an earlier close asked for goes on, and no more
		c.killed = c.Gen
	default:
		return false
	}
	c.Control = ClosedUnfinished
	return true
}

// ReleaseUnfinished notes that the control file was removed. It reports whether the content is
// to be committed for that: not where it was changed or committed since the close.
func (c *Content) ReleaseUnfinished() bool {
	c.Lock()
	defer c.Unlock()
	was := c.Control
	c.Control = NoControl
	return was == ClosedUnfinished && (c.State == Interrupted || c.IsKilledLocked())
}

// EndControlLocked notes that nobody has the file open for writing any more: it was closed by
// one who was killed, or has committed it.
func (c *Content) EndControlLocked() {
	if c.Control == OpenUnfinished {
		c.Control = NoControl
	}
}
