package volume

import (
	"context"
	"errors"
	"time"

	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/orphans"
)

// The store names an upload in its answer to the request that begins it. A kill
// between the request and the note of that name in the journal would leave an
// upload that no journal knows and that costs money (P5). So the journal has the key
// and the time before the request leaves, and what then stands unfinished under
// the key, begun at that time, is looked for. The time is by the store's clock, from
// which this machine's may be hours away.

const (
	// beginning is how long the store may take to begin an upload, apart how far its
	// clock may be from what its answers told of it. Another machine's upload to the same key,
	// begun within that time, is taken for ours: it begins its upload again.
	beginning = time.Minute
	apart     = 10 * time.Second
	// unseen is how often an upload must not be found until it is believed that
	// there is none: a request may arrive at the store after its sender's death.
	unseen     = 2
	unseenWait = orphans.Straggle / unseen
)

// announce has the journal know that an upload to key is about to begin.
func (v *Volume) announce(key string) (spool.Upload, error) {
	now := v.store.Now()
	u := spool.Upload{ID: "begins-" + spool.NewID().String(), Key: key, Since: now.From, Until: now.To.Add(beginning)}
	err := v.spool.Journal().Update(func(tx *spool.Tx) error { return tx.PutUpload(u) })
	if err == nil {
		v.begins.Leave()
	}
	return u, err
}

// uploadAnswered replaces the announcement by what the store has begun. If it failed,
// it may have begun one nevertheless.
func (v *Volume) uploadAnswered(u spool.Upload, up store.Upload, cause error) error {
	if cause != nil {
		v.begins.Arrive("")
		if errors.Is(cause, store.ErrDenied) || errors.Is(cause, store.ErrNotExist) || errors.Is(cause, store.ErrPrecondition) {
			v.forgetUpload(store.Upload{ID: u.ID}) // it was understood and refused
		} else {
			v.seekUpload(u)
		}
		return cause
	}
	v.begins.Arrive(up.ID)
	return v.spool.Journal().Update(func(tx *spool.Tx) error {
		if err := tx.PutUpload(spool.Upload{ID: up.ID, Key: up.Key}); err != nil {
			return err
		}
		return tx.DeleteUpload(u.ID)
	})
}

// announced is a store whose uploads are in the journal before they begin.
type announced struct {
	store.Store
	v *Volume
}

func (a announced) Begin(ctx context.Context, key string, attr store.Attributes) (store.Upload, error) {
	u, err := a.v.announce(key)
	if err != nil {
		return store.Upload{}, err
	}
	up, err := a.Store.Begin(ctx, key, attr)
	return up, a.v.uploadAnswered(u, up, err)
}

// Copy announces the upload that a copy by parts needs, so that a crash leaves none behind.
func (a announced) Copy(ctx context.Context, c store.Copy) (store.Info, error) {
	v := a.v
	u, err := v.announce(c.Target)
	if err != nil {
		return store.Info{}, err
	}
	var up store.Upload
	c.Begun = func(begun store.Upload) error {
		up = begun
		return v.uploadAnswered(u, up, nil)
	}
	made, err := a.Store.Copy(ctx, c)
	switch {
	case up.ID == "" && err == nil: // it needed no upload
		v.begins.Arrive("")
		v.forgetUpload(store.Upload{ID: u.ID})
	case up.ID == "":
		_ = v.uploadAnswered(u, up, err)
	case err == nil:
		v.forgetUpload(up)
	default:
		v.orphans.Abort(up) // again: the store may have been away when the copy itself tried, or at work on a part
	}
	return made, err
}

// seekUpload looks for an announced upload of which no answer is known, however
// long the store is away, and aborts it.
func (v *Volume) seekUpload(u spool.Upload) {
	under, first := v.begins.Seek(u)
	if !first {
		v.spool.Journal().Later(func(tx *spool.Tx) error {
			if err := tx.PutUpload(under); err != nil {
				return err
			}
			return tx.DeleteUpload(u.ID)
		})
		return
	}
	v.background(func() {
		missed := 0
		backoff.Until(v.ctx, func() (done bool, wait time.Duration) {
			w := v.begins.Window(u.Key)
			found, err := v.abortLost(w)
			switch wait = unseenWait; {
			case err != nil:
				missed, wait = 0, 0
			case found:
				missed = 0
			default:
				missed++
			}
			if done = missed >= unseen && v.begins.Ended(w); done {
				v.forgetUpload(store.Upload{ID: u.ID})
			}
			return done, wait
		})
	})
}

// abortLost has aborted what may be the upload; found also where it could not be told.
func (v *Volume) abortLost(u spool.Upload) (found bool, err error) {
	ctx, cancel := context.WithTimeout(v.ctx, requestTimeout)
	defer cancel()
	count, ok := v.begins.Quiet()
	if !ok {
		return true, nil
	}
	list, err := v.store.Uploads(ctx, u.Key)
	if err != nil {
		return false, err
	}
	lost, ok := v.begins.Lost(list, count)
	if !ok {
		return true, nil
	}
	for _, up := range lost {
		if up.Key != u.Key || up.Initiated.Before(u.Since.Add(-apart)) || up.Initiated.After(u.Until.Add(apart)) {
			continue
		}
		found = true
		v.orphans.Abort(up)
	}
	return found, nil
}
