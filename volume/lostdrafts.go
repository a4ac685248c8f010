package volume

import (
	"mcfs/spool"
	"mcfs/volume/entry"
)

// removeUnpromised drops a draft that was never closed nor synced: its name leads to what
// it was to replace. One whose close was told that it is not safe is kept in quarantine.
func (v *Volume) removeUnpromised(k *recoveredDraft) {
	if k.Partial {
		v.log.Error("what was written over a file, and was larger than the spool, is lost: mcfs ended before its upload; the file is as it was before", "path", k.Path)
		v.observeFailure("commit", k.Path, entry.ErrPartial, false)
		v.commits.Quarantine(k.ID, entry.ErrPartial.Error())
		return
	}
	v.log.Info("an unfinished draft that was never closed nor synced is gone", "path", k.Path)
	v.removeEntry(k.ID)
}

// nothingCameBack reports whether there is nothing of a draft of which nothing was promised
// over a power cut. Where there is something, load finds out how much.
func (v *Volume) nothingCameBack(e spool.Entry, r entry.Record) bool {
	return r.MayBeNothing(e, v.boot) && v.spool.Nothing(e.ID)
}

// losePartial makes an entry one of a lost draft: its close was told that it is not safe,
// and now the mount has ended whose upload alone had some of it.
func (v *Volume) losePartial(e *spool.Entry) {
	e.State, e.Reason = Lost.String(), entry.ErrPartial.Error()
	v.log.Error("a file larger than the spool is lost: mcfs ended before its upload", "path", e.Path)
	v.observeFailure("commit", e.Path, entry.ErrPartial, false)
	if err := v.spool.Quarantine(e.ID, entry.ErrPartial.Error()); err != nil {
		v.log.Error("a sealed file could not be moved to quarantine", "id", e.ID, "cause", err)
	}
	lost := *e
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.PutEntry(lost) })
}

// clearPlace removes the sealed file that a draft got after its entry had said that it
// has none: nobody was promised what is in it, and the next one will bear its id. A
// journal that has lost something may have lost the promise, too: then it stays.
func (v *Volume) clearPlace(id spool.ID) {
	if v.spool.Rebuilt() {
		return
	}
	if err := v.spool.Remove(id); err != nil {
		v.log.Warn("remove what was written just before the end of the last mount", "id", id, "cause", err)
	}
}
