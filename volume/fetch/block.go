package fetch

import (
	"container/list"
	"errors"
)

// errAgain tells a waiter that its block will not come from this flight: look again.
var errAgain = errors.New("flight was called off")

// block is one block of plaintext that is in memory or on its way. All but
// done is guarded by Engine.mu; data may be read without it between the close
// of done and the release of the last reference.
type block struct {
	r      *Reader
	index  int64
	flight *flight       // that brings it; nil once it is here
	done   chan struct{} // closed when data or err is set
	buf    *[bufSize]byte
	data   []byte // the plaintext, in buf
	err    error
	refs   int  // readers that wait or copy, and a Fill under way
	read   bool // to its end, by some reader

	home *list.List // budget.spent or budget.ahead, while nobody uses it
	elem *list.Element
}

// take refers to block i if it is here or on its way, and may be released. e.mu is held.
func (r *Reader) take(i int64) *block {
	if r.gated && !r.passed() {
		return nil
	}
	b := r.blocks[i]
	if b != nil {
		b.hold()
	}
	return b
}

func (b *block) hold() {
	b.refs++
	b.unlist()
}

// release ends a use. e.mu is held.
func (b *block) release() {
	b.refs--
	b.settle()
	if f := b.flight; f != nil && b.refs == 0 {
		b.r.callOff(f)
	}
}

// settle finds the place of a block that may have become unused: kept for a
// stream that will come by, given back, or kept while there is room. e.mu is held.
func (b *block) settle() {
	e := b.r.e
	if b.refs > 0 || b.flight != nil || b.buf == nil {
		return
	}
	b.unlist()
	switch {
	case b.r.closed || b.r.err != nil:
		e.drop(b)
	case b.r.windowed(b.index):
		b.list(e.ahead)
	case b.read:
		e.drop(b)
	default:
		b.list(e.spent)
		for int64(e.spent.Len())*bufSize > max(bufSize, e.Memory/4) {
			e.drop(e.spent.Front().Value.(*block))
		}
	}
}

// drop forgets a block that nobody uses. e.mu is held.
func (e *Engine) drop(b *block) {
	b.unlist()
	if b.r.blocks[b.index] == b {
		delete(b.r.blocks, b.index)
	}
	e.recycle(b.buf)
	b.buf, b.data = nil, nil
	e.giveBack(1)
}

func (b *block) list(l *list.List) {
	if l == b.r.e.ahead {
		b.r.waiting++
	}
	b.home = l
	b.elem = l.PushBack(b)
}

func (b *block) unlist() {
	if b.home != nil {
		if b.home == b.r.e.ahead {
			b.r.waiting--
		}
		b.home.Remove(b.elem)
		b.home, b.elem = nil, nil
	}
}
