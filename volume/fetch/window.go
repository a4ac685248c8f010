package fetch

import (
	"cmp"
	"math/bits"
	"slices"
)

const (
	// minGet and maxGet bound a GET of the read-ahead, in blocks: 128 KiB to 8 MiB.
	minGet = 128 << 10 / blockSize
	maxGet = 8 << 20 / blockSize
	// reorder is how far from the expected offset a read may be, in bytes, and
	// still count as the kernel's parallel read-ahead, which comes in any order.
	reorder = 4 << 20
	// maxStray is how many such reads there may be at a time.
	maxStray = 64
)

// window is what a stream wants fetched ahead of its reads. It opens with the
// second read that begins where the last one ended, and then grows with the
// distance gone straight on: twice that distance ahead, in GETs of half the
// window. Guarded by Engine.mu.
type window struct {
	start  int64  // where going straight on began, in bytes
	next   int64  // where the next read is expected
	run    int    // reads in a row; 0: none yet
	early  []span // reads beyond next
	late   int    // reads before next, since the last one in order
	active []span // reads under way
	low    int64  // first block of the window
	ahead  int64  // block up to which it has been asked for; empty if ≤ low
}

type span struct{ off, end int64 }

// enter notes a read.
func (s *Stream) enter(off, n int64) {
	e := s.r.e
	e.mu.Lock()
	defer e.leave()
	s.active = append(s.active, span{off, off + n})
	if !s.follow(off, off+n) {
		s.start, s.next, s.run, s.early, s.late = off, off+n, 1, nil, 0
		s.ahead = 0
		s.slide()
		s.r.sweep()
		return
	}
	s.slide()
}

// exit notes that a read is over: blocks that it leaves behind are not kept.
func (s *Stream) exit(off, n int64) {
	e := s.r.e
	e.mu.Lock()
	defer e.leave()
	if i := slices.Index(s.active, span{off, off + n}); i >= 0 {
		s.active = slices.Delete(s.active, i, i+1)
	}
	s.slide()
}

// follow says whether a read belongs to going straight on.
func (w *window) follow(off, end int64) bool {
	switch {
	case w.run == 0:
		return false
	case off == w.next:
		w.next, w.late = end, 0
		w.run++
		w.merge()
		return true
	case off > w.next && off-w.next <= reorder && len(w.early) < maxStray:
		w.early = append(w.early, span{off, end})
		return true
	case off < w.next && w.next-off <= reorder && w.late < maxStray:
		w.late++
		return true
	}
	return false
}

// merge takes the early reads that next has reached.
func (w *window) merge() {
	for {
		i := slices.IndexFunc(w.early, func(x span) bool { return x.off <= w.next })
		if i < 0 {
			return
		}
		w.next = max(w.next, w.early[i].end)
		w.run++
		w.early = slices.Delete(w.early, i, i+1)
	}
}

// slide moves the low end up to the first byte that is still of interest.
func (s *Stream) slide() {
	at := s.next
	for _, x := range s.active {
		at = min(at, x.off)
	}
	old := s.low
	s.low = at / blockSize
	if at >= s.r.lay.plain {
		s.low = s.r.lay.blocks()
	}
	for i := old; i < min(s.low, s.ahead); i++ {
		if b := s.r.blocks[i]; b != nil {
			b.settle()
		}
	}
}

// windowed says that a stream will come by block i. e.mu is held.
func (r *Reader) windowed(i int64) bool {
	for s := range r.streams {
		if i >= s.low && i < s.ahead {
			return true
		}
	}
	return false
}

// sweep calls off the flights, and looks again at the blocks, that a window
// which has closed may have left behind. e.mu is held.
func (r *Reader) sweep() {
	for f := range r.flights {
		r.callOff(f)
	}
	if r.waiting == 0 {
		return
	}
	for _, b := range r.blocks {
		if b.home == r.e.ahead {
			b.settle()
		}
	}
}

// straight says that the stream has gone straight on, so that it is worth looking ahead.
func (w *window) straight() bool { return w.run >= 2 }

// limit is how far ahead, in blocks, a stream may look: its share of three
// quarters of the memory.
func (s *Stream) limit() int64 {
	sharing := int64(0)
	for r := range s.r.e.readers {
		for other := range r.streams {
			if other == s || other.ahead > other.low {
				sharing++
			}
		}
	}
	share := s.r.e.Memory / bufSize * 3 / 4 / max(1, sharing)
	return min(int64(s.r.e.Concurrency)*maxGet, share)
}

// size is how many blocks one GET should have now: as much as has been read straight on.
func (s *Stream) size(limit int64) int64 {
	gone := (s.next - s.start) / blockSize
	if gone < minGet {
		return minGet
	}
	gone = 1 << (bits.Len64(uint64(gone)) - 1)
	return max(minGet, min(gone, maxGet, limit/4))
}

// demand fetches block i for a read that wants the blocks up to end, and refers to those
// that it gets in one GET; more than that if the stream goes straight on.
func (s *Stream) demand(i, end int64) ([]*block, error) {
	r, e := s.r, s.r.e
	_, stop := r.absent(i, max(i+1, s.reach(i, end)))
	e.mu.Lock()
	defer e.leave()
	if err := r.usable(); err != nil {
		return nil, err
	}
	if b := r.take(i); b != nil {
		return []*block{b}, nil
	}
	stop = max(i+1, stop)
	for k := i + 1; k < stop; k++ {
		if r.blocks[k] != nil {
			stop = k
		}
	}
	f := r.newFlight(i, stop)
	held := slices.Clone(f.blocks[:min(stop, end)-i])
	for _, b := range held {
		b.hold()
	}
	if s.straight() {
		s.ahead = max(s.ahead, stop)
	}
	e.demand = append(e.demand, f)
	r.launch(f)
	return held, nil
}

// reach is the block up to which a GET for [i, end) should go.
func (s *Stream) reach(i, end int64) int64 {
	e := s.r.e
	e.mu.Lock()
	defer e.mu.Unlock()
	n := end - i
	if s.straight() && blocksIn(s.next) <= end {
		// This read is the foremost in order: what follows it is wanted next.
		_, stop := s.unread(end, i+min(s.size(s.limit()), e.free()))
		n = max(n, stop-i)
	}
	return min(s.r.lay.blocks(), i+min(n, e.maxUnits()))
}

// unread trims a run of blocks beyond next to the first stretch that no early
// read has asked for.
func (w *window) unread(first, end int64) (int64, int64) {
	for _, x := range slices.SortedFunc(slices.Values(w.early), func(a, b span) int { return cmp.Compare(a.off, b.off) }) {
		from, to := x.off/blockSize, blocksIn(x.end)
		switch {
		case to <= first:
		case from <= first:
			first = to
		default:
			return first, min(end, from)
		}
	}
	return first, end
}

// topUp starts GETs ahead of a stream that goes straight on, as far as nobody
// waits for the connections and memory that they take.
func (s *Stream) topUp() {
	for {
		first, end, ok := s.plan()
		if !ok {
			return
		}
		start, stop := s.r.absent(first, end)
		if !s.fetchAhead(first, start, max(start, stop), end) {
			return
		}
	}
}

// plan is the next run of blocks to fetch ahead.
func (s *Stream) plan() (first, end int64, ok bool) {
	r, e := s.r, s.r.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, open := r.streams[s]; !open || !s.straight() || r.usable() != nil || !e.idle() {
		return 0, 0, false
	}
	if r.gated && !r.passed() {
		return 0, 0, false
	}
	limit := s.limit()
	size := s.size(limit)
	position := s.next / blockSize
	target := min(r.lay.blocks(), position+min(2*size, limit))
	if size == maxGet || size == limit/4 {
		target = min(r.lay.blocks(), position+limit)
	}
	first = max(s.ahead, blocksIn(s.next))
	if first >= target || target-first < size && target < r.lay.blocks() {
		return 0, 0, false
	}
	first, end = s.unread(first, min(first+size, target))
	if first >= end {
		s.ahead = max(s.ahead, end)
		return 0, 0, false
	}
	return first, end, true
}

// fetchAhead starts a flight for the blocks [start, stop), the first of
// [first, end) that the cache lacks. It says whether to go on planning.
func (s *Stream) fetchAhead(first, start, stop, end int64) bool {
	r, e := s.r, s.r.e
	e.mu.Lock()
	defer e.leave()
	if r.usable() != nil || !e.idle() || first < max(s.ahead, blocksIn(s.next)) {
		return false
	}
	for start < stop && r.blocks[start] != nil {
		start++
	}
	if start >= stop {
		s.ahead = max(start, min(stop, end))
		return true
	}
	for k := start + 1; k < stop; k++ {
		if r.blocks[k] != nil {
			stop = k
		}
	}
	least := min(stop-start, minGet)
	stop = min(stop, start+max(least, e.free()))
	if !e.room(stop-start, false) {
		return false
	}
	f := r.newFlight(start, stop)
	e.grant(f)
	r.launch(f)
	s.ahead = stop
	return true
}
