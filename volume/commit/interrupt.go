package commit

import (
	"mcfs/volume/file"
)

// Interrupt keeps what a killed writer left (file.EvKill), or one of whom a write failed
// (file.EvSpoil): sealed, shown, and not published.
func (f *File) Interrupt(why file.Event) {
	if f.Stop(why) {
		f.KeepInterrupted()
	}
}

// Stop reports whether the draft is interrupted now, or else has what an earlier close
// asked for committed and no more.
func (f *File) Stop(why file.Event) (stays bool) {
	f.content.Lock()
	stays = f.content.InterruptLocked(why)
	f.content.Unlock()
	f.r.cfg.Mu.Lock()
	defer f.r.cfg.Mu.Unlock()
	f.r.cfg.ChangedLocked() // it need not be waited for any more
	return stays
}

// Abandon calls off the commit for which a killed writer waited, unless another close
// waits for it too, or its upload alone has some of the file, or the request that
// makes the object visible may have left: that one goes through, and makes the whole
// file, once.
func (f *File) Abandon() {
	if f.abandon() {
		f.KeepInterrupted()
	}
}

// abandon reports whether the draft is interrupted now.
func (f *File) abandon() bool {
	f.r.cfg.Mu.Lock()
	defer f.r.cfg.Mu.Unlock()
	c := f.content
	c.Lock()
	wanted := c.Expected > 0 || c.State != file.Queued && c.State != file.Uploading || c.IsSnapshotAloneLocked()
	c.Unlock()
	if wanted || !f.CancelLocked(errKilled) {
		return false
	}
	c.Lock()
	defer c.Unlock()
	c.StepLocked(file.EvAbandon)
	c.Asked = c.Committed
	c.SupersedeLocked()
	return true
}

// KeepInterrupted makes an interrupted draft safe, behind: its writer must not
// be kept from ending. Mu may be held.
func (f *File) KeepInterrupted() {
	f.r.cfg.Background(func() {
		f.r.failed(f.path(), errUnfinished, false)
		if err := f.content.Keep(file.Behind); err != nil {
			f.r.cfg.Log.Error("an interrupted draft is not safe in the spool", "path", f.path(), "cause", err)
		}
	})
}
