package orphans

import (
	"context"
	"errors"
	"time"

	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/queue"
)

const (
	// beginning is how long the store may take to begin an upload, apart how far its
	// clock may be from what its answers told of it. Another machine's upload to the same key,
	// begun within that time, is taken for ours: it begins its upload again.
	beginning = time.Minute
	apart     = 10 * time.Second
	// unseen is how often an upload must not be found until it is believed that
	// there is none: a request may arrive at the store after its sender's death.
	unseen     = 2
	unseenWait = Straggle / unseen
)

// StoreConfig of a Store.
type StoreConfig struct {
	Store   store.Store
	Journal Journal
	Aborter *Aborter
	Context context.Context // ends the searches
	// Background runs a search; whoever ends the context waits for it.
	Background func(func())
	Backoff    queue.Backoff // between the tries of a search
}

// Journal is what a Store has remembered.
type Journal interface {
	// Update makes a transaction durable.
	Update(func(*spool.Tx) error) error
	// Later makes it durable soon.
	Later(func(*spool.Tx) error)
}

// Store is a store whose uploads the journal knows, by key and time, before the request
// leaves that begins one: the store names an upload in its answer only, and a kill in
// between would leave one that costs money (P5). The time is by the store's clock, from which
// this machine's may be hours away. Seek looks for what then stands unfinished.
type Store struct {
	store.Store
	c     StoreConfig
	begun Begun
}

// NewStore announces the uploads of c.Store.
func NewStore(c StoreConfig) *Store {
	return &Store{Store: c.Store, c: c, begun: Begun{Within: beginning}}
}

// Begin announces the upload, and begins it.
func (s *Store) Begin(ctx context.Context, key string, attr store.Attributes) (store.Upload, error) {
	u, err := s.announce(key)
	if err != nil {
		return store.Upload{}, err
	}
	up, err := s.Store.Begin(ctx, key, attr)
	return up, s.answered(u, up, err)
}

// Copy announces the upload that a copy by parts needs, so that a crash leaves none behind.
func (s *Store) Copy(ctx context.Context, c store.Copy) (store.Info, error) {
	u, err := s.announce(c.Target)
	if err != nil {
		return store.Info{}, err
	}
	var up store.Upload
	c.Begun = func(begun store.Upload) error {
		up = begun
		return s.answered(u, up, nil)
	}
	made, err := s.Store.Copy(ctx, c)
	switch {
	case up.ID == "" && err == nil: // it needed no upload
		s.begun.Arrive("")
		s.forget(store.Upload{ID: u.ID})
	case up.ID == "":
		_ = s.answered(u, up, err)
	case err == nil:
		s.forget(up)
	default:
		s.c.Aborter.Abort(up) // again: the store may have been away when the copy itself tried, or at work on a part
	}
	return made, err
}

// announce has the journal know that an upload to key is about to begin.
func (s *Store) announce(key string) (spool.Upload, error) {
	now := s.Store.Now()
	u := spool.Upload{ID: "begins-" + spool.NewID().String(), Key: key, Since: now.From, Until: now.To.Add(beginning)}
	err := s.c.Journal.Update(func(tx *spool.Tx) error { return tx.PutUpload(u) })
	if err == nil {
		s.begun.Leave()
	}
	return u, err
}

// answered replaces the announcement by what the store has begun. If it failed,
// it may have begun one nevertheless.
func (s *Store) answered(u spool.Upload, up store.Upload, cause error) error {
	if cause != nil {
		s.begun.Arrive("")
		if errors.Is(cause, store.ErrDenied) || errors.Is(cause, store.ErrNotExist) || errors.Is(cause, store.ErrPrecondition) {
			s.forget(store.Upload{ID: u.ID}) // it was understood and refused
		} else {
			s.Seek(u)
		}
		return cause
	}
	s.begun.Arrive(up.ID)
	return s.c.Journal.Update(func(tx *spool.Tx) error {
		if err := tx.PutUpload(spool.Upload{ID: up.ID, Key: up.Key}); err != nil {
			return err
		}
		return tx.DeleteUpload(u.ID)
	})
}

// Seek looks for an announced upload of which no answer is known, however
// long the store is away, and aborts it.
func (s *Store) Seek(u spool.Upload) {
	under, first := s.begun.Seek(u)
	if !first {
		s.c.Journal.Later(func(tx *spool.Tx) error {
			if err := tx.PutUpload(under); err != nil {
				return err
			}
			return tx.DeleteUpload(u.ID)
		})
		return
	}
	s.c.Background(func() {
		missed := 0
		s.c.Backoff.Until(s.c.Context, func() (done bool, wait time.Duration) {
			w := s.begun.Window(u.Key)
			found, err := s.abortLost(w)
			switch wait = unseenWait; {
			case err != nil:
				missed, wait = 0, 0
			case found:
				missed = 0
			default:
				missed++
			}
			if done = missed >= unseen && s.begun.Ended(w); done {
				s.forget(store.Upload{ID: u.ID})
			}
			return done, wait
		})
	})
}

// abortLost has aborted what may be the upload; found also where it could not be told.
func (s *Store) abortLost(u spool.Upload) (found bool, err error) {
	ctx, cancel := context.WithTimeout(s.c.Context, callTimeout)
	defer cancel()
	count, ok := s.begun.Quiet()
	if !ok {
		return true, nil
	}
	list, err := s.Store.Uploads(ctx, u.Key)
	if err != nil {
		return false, err
	}
	lost, ok := s.begun.Lost(list, count)
	if !ok {
		return true, nil
	}
	for _, up := range lost {
		if up.Key != u.Key || up.Initiated.Before(u.Since.Add(-apart)) || up.Initiated.After(u.Until.Add(apart)) {
			continue
		}
		found = true
		s.c.Aborter.Abort(up)
	}
	return found, nil
}

func (s *Store) forget(up store.Upload) { s.c.Aborter.Forget(up) }
