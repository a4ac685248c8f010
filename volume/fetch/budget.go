package fetch

import (
	"container/list"
	"slices"
)

// budget is what all Readers of an Engine share. Guarded by Engine.mu.
//
// Memory is reserved for a whole flight before its GET begins, so that a
// flight, once granted, ends without waiting for anybody; and a block that
// nobody is using can be taken away, since it is in the cache or can be
// fetched again. So whoever waits for memory gets it, and nothing can lock up.
type budget struct {
	running int        // GETs granted
	used    int64      // bytes of buffers reserved or held
	demand  []*flight  // waiting for a grant: somebody waits for the block
	bulk    []*flight  // waiting for a grant: whole passes
	spent   *list.List // of *block nobody uses, least recent first: read in part, or left over
	ahead   *list.List // of *block nobody uses yet, in the window of a stream
}

// bulkLimit is how many GETs may be under way that nobody waits for at the
// moment: one is left to random reads.
func (e *Engine) bulkLimit() int { return max(1, e.Concurrency-1) }

// maxUnits bounds a flight, in blocks, so that a small budget is shared.
func (e *Engine) maxUnits() int64 {
	return min(maxGet, max(1, e.Memory/bufSize/4))
}

// dispatch grants what waits, in order, as far as it fits. e.mu is held.
func (e *Engine) dispatch() {
	for len(e.demand) > 0 && e.running < e.Concurrency && e.room(e.demand[0].units, true) {
		e.grant(e.demand[0])
		e.demand = slices.Delete(e.demand, 0, 1)
	}
	if len(e.demand) > 0 {
		return
	}
	for len(e.bulk) > 0 && e.running < e.bulkLimit() && e.room(e.bulk[0].units, true) {
		e.grant(e.bulk[0])
		e.bulk = slices.Delete(e.bulk, 0, 1)
	}
}

// leave unlocks e.mu after a change that may have made room.
func (e *Engine) leave() {
	e.dispatch()
	e.mu.Unlock()
}

// idle says that a flight which nobody waits for would take nothing from those that are awaited.
func (e *Engine) idle() bool {
	return len(e.demand) == 0 && len(e.bulk) == 0 && e.running < e.bulkLimit()
}

func (e *Engine) grant(f *flight) {
	e.running++
	e.used += f.units * bufSize
	f.running = true
	close(f.granted)
}

// room makes room for n buffers, at the cost of blocks that nobody uses; those
// that a stream will want soon only if steal is set. One flight is always allowed.
func (e *Engine) room(n int64, steal bool) bool {
	need := n * bufSize
	for e.used > 0 && e.used+need > e.Memory {
		switch {
		case e.spent.Len() > 0:
			e.drop(e.spent.Front().Value.(*block))
		case steal && e.ahead.Len() > 0:
			e.drop(e.ahead.Front().Value.(*block))
		default:
			return false
		}
	}
	return true
}

// free is how many buffers could be had without taking any that is of use.
func (e *Engine) free() int64 {
	held := e.used - int64(e.spent.Len())*bufSize
	return max(0, (e.Memory-held)/bufSize)
}

// withdraw takes a flight back that was not granted yet.
func (e *Engine) withdraw(f *flight) {
	same := func(other *flight) bool { return other == f }
	e.demand = slices.DeleteFunc(e.demand, same)
	e.bulk = slices.DeleteFunc(e.bulk, same)
}

// giveBack returns n reserved buffers.
func (e *Engine) giveBack(n int64) { e.used -= n * bufSize }

func (e *Engine) buffer() *[bufSize]byte { return e.pool.Get().(*[bufSize]byte) }

// recycle wipes a buffer, for it held plaintext, and keeps it for the next.
func (e *Engine) recycle(b *[bufSize]byte) {
	clear(b[:])
	e.pool.Put(b)
}
