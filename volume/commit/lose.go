package commit

import (
	"errors"

	"mcfs/spool"
	"mcfs/volume/file"
)

// loseBase ends an attempt that can never succeed. If that is for its base, and the file
// has been emptied and written anew since, the later content is none the worse.
func (f *File) loseBase(a *Attempt, err error) {
	if f.content.Outgrows(a.gen) && errors.Is(err, file.ErrUnproven) {
		f.dropOlderContent(a, err)
		return
	}
	f.loseDraft(a, err)
}

// loseSent ends an attempt whose content is nowhere any more: the store has lost the
// upload that alone had some of it. If the file has been emptied and written anew
// since, that content is whole, and its own close commits it.
func (f *File) loseSent(a *Attempt, err error) {
	if !f.content.IsAnew(a.gen) {
		f.loseDraft(a, err)
		return
	}
	f.dropOlderContent(a, err)
}

// dropOlderContent ends an attempt that can never succeed of a file that has other content by now.
func (f *File) dropOlderContent(a *Attempt, err error) {
	f.r.cfg.Log.Error("what an earlier close was to commit is lost; the file has been written anew since", "path", a.path, "cause", err)
	f.r.failed(a.path, err, false)
	f.r.cfg.Mu.Lock()
	defer f.r.cfg.Mu.Unlock()
	f.EndLocked(a)
	f.content.Lock()
	f.content.Failure = err
	f.content.WakeLocked()
	again := f.content.Asked > a.gen
	if !again {
		f.content.Asked = f.content.Committed
		f.content.StepLocked(file.EvAbandon)
		f.content.StepLocked(file.EvWrite)
	} else if f.content.State != file.Queued {
		f.content.StepLocked(file.EvFail)
	}
	f.content.Unlock()
	if again {
		f.StartLocked()
	}
}

// loseDraft ends an attempt that can never succeed. The bytes stay, in quarantine.
func (f *File) loseDraft(a *Attempt, err error) {
	if f.content.PeekState() == file.Lost { // when its sealed file was opened
		f.r.cfg.Mu.Lock()
		f.EndLocked(a)
		f.r.cfg.Mu.Unlock()
		f.host.SaveSoon()
		return
	}
	f.r.cfg.Log.Error("file cannot be committed; its draft is in quarantine", "path", a.path, "cause", err)
	f.r.failed(a.path, err, false)
	f.content.Lock()
	id, filed := f.content.EntryIDLocked()
	f.content.Unlock()
	if filed {
		f.r.Quarantine(id, err.Error())
	}
	f.content.Lock()
	f.markLost(err)
	f.content.Unlock()
	f.r.cfg.Mu.Lock()
	f.EndLocked(a)
	f.r.cfg.Mu.Unlock()
	f.host.SaveSoon() // the next mount shows it, too
}

// LoseLocked makes the draft a lost one, with the content locked. Mu need not be held.
func (f *File) LoseLocked(err error) { f.markLost(err) }

// markLost makes the draft a lost one; the content is locked.
func (f *File) markLost(err error) {
	f.content.StepLocked(file.EvLose)
	f.content.Failure = err
	f.content.WakeLocked()
}

// QuarantineLost moves the sealed file of a draft that is lost already to quarantine, if it has
// one, and says so.
func (f *File) QuarantineLost(id spool.ID, filed bool, path string, err error) {
	f.r.cfg.Log.Error("file cannot be committed; its draft is in quarantine", "path", path, "cause", err)
	f.r.failed(path, err, false)
	if filed {
		f.r.Quarantine(id, err.Error())
	}
	f.host.SaveSoon()
}
