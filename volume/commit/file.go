package commit

import (
	"mcfs/volume/file"
)

// File is the commits of one file. Its zero value is that of what is never committed.
type File struct {
	r       *Runner
	content *file.Content
	host    Host

	// Guarded by Config.Mu.
	attempt    *Attempt // under way
	paused     bool     // no commit may begin: the name is about to change
	recovering bool     // an earlier mount's commit is in flight, as far as is known: no other may begin
}

// Init makes f the commits of a file that nothing else knows yet.
func (f *File) Init(r *Runner, c *file.Content, h Host) { f.r, f.content, f.host = r, c, h }

// AttemptLocked is the attempt under way; nil: there is none.
func (f *File) AttemptLocked() *Attempt { return f.attempt }

// IsPausedLocked reports whether no commit may begin, for the file's name is about to change.
func (f *File) IsPausedLocked() bool { return f.paused }

// IsRecoveringLocked reports whether no commit may begin before the store has said whether that of
// an earlier mount has arrived.
func (f *File) IsRecoveringLocked() bool { return f.recovering }

// RecoverLocked keeps commits from beginning until RecoveredLocked.
func (f *File) RecoverLocked() { f.recovering = true }

// RecoveredLocked ends that. It begins none.
func (f *File) RecoveredLocked() { f.recovering = false }

// PauseLocked calls the commit off and keeps another from beginning while names that
// it depends on change, until ResumeLocked. False: the commit cannot be called off any
// more, and goes through under the old name.
func (f *File) PauseLocked() bool {
	f.paused = true
	return f.CancelLocked(ErrMoved)
}

// PauseRemovedLocked is PauseLocked for a file that is about to be removed or replaced, or to
// stay if the journal cannot be written; what its upload alone has goes in both cases.
func (f *File) PauseRemovedLocked() {
	f.paused = true
	f.CancelLocked(ErrUnwanted)
}

// ResumeLocked lets commits begin again, and begins the one that is due.
func (f *File) ResumeLocked() {
	f.paused = false
	f.content.Lock()
	f.content.Renaming = false
	if f.content.State == file.Uploading && f.attempt == nil {
		f.content.StepLocked(file.EvFail) // it was called off
	}
	due := f.content.State == file.Queued
	f.content.Unlock()
	if due {
		f.StartLocked()
	}
}

// Asker is who wants a commit.
type Asker uint8

const (
	Itself  Asker = iota // the volume: after a release, in a sync of everything, at its end
	Closing              // a close: it includes what a killed writer left
	ByHand               // a person, by name: it includes what writes that failed left, too
)

// Ask wants the content, as it is now, committed.
func (f *File) Ask(by Asker) {
	asked, spoilt := f.ask(by)
	if spoilt {
		f.Interrupt(file.EvSpoil)
	}
	if !asked {
		return
	}
	f.r.cfg.Mu.Lock()
	defer f.r.cfg.Mu.Unlock()
	f.StartLocked()
}

// ask is the content's part of Ask. It reports whether an attempt is to begin, and whether the
// draft is to be kept for its flaws instead.
func (f *File) ask(by Asker) (asked, spoilt bool) {
	c := f.content
	c.Lock()
	defer c.Unlock()
	switch c.State {
	case file.Clean, file.Lost, file.Local:
		return false, false
	case file.Interrupted:
		if by == Itself {
			return false, false
		}
	}
	if c.LeaveForOwnNameLocked() != nil { // it can be committed under no other name than the one to which its parts have left
		return false, false
	}
	if by == ByHand {
		c.Flaws = nil // it is to be taken as it is
	}
	if c.Flaws != nil && (c.State == file.Writing || c.State == file.Temporary || c.State == file.Interrupted) {
		return false, true
	}
	if c.Flaws == nil && (by != Itself || !c.IsKilledLocked()) {
		c.SupersedeOlderLocked()
		c.AskLocked()
	}
	c.StepLocked(file.EvAsk)
	return true, false
}
