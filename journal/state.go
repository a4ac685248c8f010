package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"sync"
)

// The buckets. Entries and uploads are found by id, changes by number (8 bytes, big endian),
// unreadable values by the name of their bucket, slash, key.
const (
	bucketEntries = 1 + iota
	bucketChanges
	bucketUploads
	bucketSettings
	bucketUnreadable
	buckets
)

var bucketNames = [buckets]string{bucketEntries: "entries", bucketChanges: "changes", bucketUploads: "uploads", bucketSettings: "settings", bucketUnreadable: "unreadable"}

// state is the values that are left, as they are stored. A value is never changed.
type state struct {
	mu     sync.RWMutex
	values [buckets]map[string][]byte
	live   int64  // bytes that the values take in a log
	number uint64 // the highest of a change that was put
}

func newState() *state {
	s := &state{}
	for k := range s.values {
		s.values[k] = make(map[string][]byte)
	}
	return s
}

func (s *state) apply(o op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.values[o.bucket]
	if old, ok := m[o.key]; ok {
		s.live -= frameSize(o.key, old)
		delete(m, o.key)
	}
	if o.kind == opDelete {
		return
	}
	m[o.key] = o.value
	s.live += frameSize(o.key, o.value)
	if o.bucket == bucketChanges && len(o.key) == 8 {
		s.number = max(s.number, binary.BigEndian.Uint64([]byte(o.key)))
	}
}

func frameSize(key string, value []byte) int64 {
	return int64(fixedHead + len(key) + sumSize + len(value) + frameTail)
}

func (s *state) get(bucket byte, key string) (v []byte, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok = s.values[bucket][key]
	return v, ok
}

// keys returns the keys of a bucket, sorted.
func (s *state) keys(bucket byte) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.values[bucket]))
}

// all returns a put for each value.
func (s *state) all() []op {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []op
	for bucket, m := range s.values {
		list = slices.Grow(list, len(m))
		for key, value := range m {
			list = append(list, op{opPut, byte(bucket), key, value})
		}
	}
	return list
}

// setAside is aside, applied.
func (s *state) setAside(bucket byte, key string, value []byte) {
	for _, o := range aside(bucket, key, slices.Clone(value)) {
		s.apply(o)
	}
}

// aside moves a value to the bucket of unreadable ones.
func aside(bucket byte, key string, value []byte) []op {
	name := bucketNames[bucket] + "/" + key
	if len(name) > maxKey-len(settledEntries) {
		sum := sha256.Sum256([]byte(key))
		name = bucketNames[bucket] + "/" + string(sum[:])
	}
	return []op{{opPut, bucketUnreadable, name, value}, {kind: opDelete, bucket: bucket, key: key}}
}

// What the keys of entries that were set aside begin with, and those that are dealt with.
const (
	asideEntries   = "entries/"
	settledEntries = "settled/"
)

// unsettled returns the keys of the entries that were set aside since the last Recovered.
func (s *state) unsettled() []string {
	return slices.DeleteFunc(s.keys(bucketUnreadable), func(k string) bool { return !strings.HasPrefix(k, asideEntries) })
}

// size is how many bytes the values take in a log.
func (s *state) size() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.live
}
