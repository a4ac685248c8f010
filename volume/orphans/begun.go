package orphans

import (
	"sync"
	"time"

	"mcfs/spool"
	"mcfs/store"
)

// Begun knows which uploads this mount has begun, so that none of them is
// taken for a lost one.
type Begun struct {
	Within time.Duration // in which the store begins an upload, at most

	mu     sync.Mutex
	flying int // requests without an answer
	count  uint64
	ours   map[string]time.Time     // by the store's ID
	sought map[string]*spool.Upload // lost uploads that are being looked for, by key
}

// Leave notes a request that begins an upload.
func (b *Begun) Leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flying++
	b.count++
}

// Arrive is the answer: the store's ID, or "".
func (b *Begun) Arrive(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flying--
	if b.ours == nil {
		b.ours = make(map[string]time.Time)
	}
	if len(b.sought) == 0 {
		for old, at := range b.ours {
			if time.Since(at) > 2*b.Within {
				delete(b.ours, old)
			}
		}
	}
	if id != "" {
		b.ours[id] = time.Now()
	}
}

// Quiet says whether no request is without an answer, and numbers the moment.
func (b *Begun) Quiet() (count uint64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count, b.flying == 0
}

// Lost are those of a list that this mount has not begun; nil if it has begun
// others since count, which the list may show or not.
func (b *Begun) Lost(list []store.Upload, count uint64) (lost []store.Upload, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count != count || b.flying > 0 {
		return nil, false
	}
	for _, up := range list {
		if _, ours := b.ours[up.ID]; !ours {
			lost = append(lost, up)
		}
	}
	return lost, true
}

// Seek notes a lost upload. If one of the same key is being looked for already,
// that search, which is given, goes on until it covers both.
func (b *Begun) Seek(u spool.Upload) (under spool.Upload, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sought[u.Key]; s != nil {
		s.Until = u.Until
		return *s, false
	}
	if b.sought == nil {
		b.sought = make(map[string]*spool.Upload)
	}
	b.sought[u.Key] = &u
	return u, true
}

// Window is the search as it is now.
func (b *Begun) Window(key string) spool.Upload {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *b.sought[key]
}

// Ended ends a search that covers no more than was looked for.
func (b *Begun) Ended(u spool.Upload) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sought[u.Key].Until.After(u.Until) {
		return false
	}
	delete(b.sought, u.Key)
	return true
}
