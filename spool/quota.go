package spool

import (
	"sync"

	"mcfs/crypt"
)

// quota counts the bytes on disk of all sealed files, and those reserved for blocks that
// are not written yet. A 64th of the maximum is left to maps, since Sync takes what it
// needs without a reservation.
type quota struct {
	mu       sync.Mutex
	max      int64
	used     int64
	reserved int64
	files    map[ID]int64
	free     func() (int64, error) // what the disk has left
	room     int64                 // that value when last asked, less what was reserved since
}

// diskMargin is what is left free on the disk, in bytes, for dirty blocks and maps when
// other programs fill it.
const diskMargin = 16 << 20

func (q *quota) usage() (used, max int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.used, q.max
}

func (q *quota) of(id ID) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.files[id]
}

// set records what a file occupies. 0 forgets the file.
func (q *quota) set(id ID, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used += bytes - q.files[id]
	q.files[id] = bytes
	if bytes == 0 {
		delete(q.files, id)
	}
}

func (q *quota) add(id ID, delta int64) {
	if delta == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used += delta
	q.files[id] += delta
}

// take reserves n bytes, and reports whether they fit.
func (q *quota) take(n int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.used+q.reserved+n > q.max-q.max/64 || !q.diskHas(n) {
		return false
	}
	q.reserved += n
	return true
}

// lacks returns how many bytes must be freed before n fit.
func (q *quota) lacks(n int64) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(q.used+q.reserved+n-(q.max-q.max/64), diskMargin+n-q.room)
}

// diskHas reports whether n bytes fit on the disk, which it asks only when the known room
// runs low. If the disk cannot tell, it returns true: the write itself will fail.
func (q *quota) diskHas(n int64) bool {
	if q.room < diskMargin+n {
		room, err := q.free()
		if err != nil {
			return true
		}
		// What is reserved is not written yet. Other programs write to the disk, too, so it
		// is asked again after 64 MiB at the latest.
		q.room = min(room-q.reserved, diskMargin+n+64<<20)
	}
	if q.room < diskMargin+n {
		return false
	}
	q.room -= n
	return true
}

func (q *quota) giveBack(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reserved -= n
}

// reserve reserves space for blocks, and drops other blocks if it must. The caller holds
// no file's lock.
func (s *Spool) reserve(blocks int64) error {
	n := blocks * crypt.BlockSize
	if s.quota.take(n) {
		return nil
	}
	s.reclaiming.Lock()
	defer s.reclaiming.Unlock()
	for !s.quota.take(n) {
		if s.reclaim(max(s.quota.lacks(n), s.batch())) == 0 {
			return ErrFull
		}
	}
	return nil
}

// reserveSome reserves space for as many of the blocks as it can, and returns how many.
func (s *Spool) reserveSome(blocks int64) (int64, error) {
	if err := s.reserve(blocks); err == nil {
		return blocks, nil
	}
	for got := range blocks {
		if err := s.reserve(1); err != nil {
			return got, err
		}
	}
	return blocks, nil
}

func (s *Spool) release(blocks int64) {
	if blocks != 0 {
		s.quota.giveBack(blocks * crypt.BlockSize)
	}
}

// batch returns how many bytes are evicted at once, since each time costs one fdatasync.
func (s *Spool) batch() int64 {
	_, size := s.quota.usage()
	return min(max(size/64, 1<<20), 256<<20)
}

// reclaim frees about want bytes of disk, or as many as it can. First it drops what the
// base has, of all files, then what has been replaced since: what only an upload would
// have is not safe until the upload has ended. The caller holds s.reclaiming.
func (s *Spool) reclaim(want int64) (freed int64) {
	files := s.files()
	for _, f := range files {
		f.mu.Lock()
		if !f.closed {
			freed += f.punchIdle(0)
		}
		f.mu.Unlock()
	}
	freed += fromEach(files, want-freed, func(f *File, want int64) int64 { return f.evict(inBase, want) })
	freed += fromEach(files, want-freed, func(f *File, _ int64) int64 { return f.freeStale() })
	freed += fromEach(files, want-freed, func(f *File, want int64) int64 { return f.evict(inUpload, want) })
	return freed
}

// fromEach frees want bytes of the files by calls of free, which holds their File.syncing.
// Those that are being synced come last, since it has to wait for them.
func fromEach(files []*File, want int64, free func(f *File, want int64) int64) (freed int64) {
	var busy []*File
	for _, f := range files {
		if freed >= want {
			return freed
		}
		if !f.syncing.TryLock() {
			busy = append(busy, f)
			continue
		}
		freed += free(f, want-freed)
		f.syncing.Unlock()
	}
	for _, f := range busy {
		if freed >= want {
			return freed
		}
		f.syncing.Lock()
		freed += free(f, want-freed)
		f.syncing.Unlock()
	}
	return freed
}
