package lately

import (
	"maps"
	"time"
)

// Map has the last thing that has happened to each key. The zero Map is empty. Its owner
// guards it.
type Map[K comparable, V any] struct {
	all  map[K]entry[V]
	most int // how many there may be before those that are over are forgotten
}

type entry[V any] struct {
	v     V
	until time.Time
}

// fewest is how many are kept in any case.
const fewest = 16

// Note has v be what has happened to k, for a while.
func (m *Map[K, V]) Note(k K, v V, within time.Duration) {
	if m.all == nil {
		m.all, m.most = make(map[K]entry[V]), fewest
	}
	now := time.Now()
	if m.all[k] = (entry[V]{v, now.Add(within)}); len(m.all) <= m.most {
		return
	}
	maps.DeleteFunc(m.all, func(_ K, e entry[V]) bool { return !now.Before(e.until) })
	m.most = max(fewest, 2*len(m.all))
}

// Get returns what has happened to k, as long as it is kept; recent reports whether its
// time is not over.
func (m *Map[K, V]) Get(k K) (v V, recent bool) {
	e := m.all[k]
	return e.v, time.Now().Before(e.until)
}

// Forget forgets what has happened to k, and reports whether its time was not over.
func (m *Map[K, V]) Forget(k K) (recent bool) {
	_, recent = m.Get(k)
	delete(m.all, k)
	return recent
}
