package volume

import (
	"context"
	"errors"
	"slices"
)

// leaving is a close under way: other steps are done meanwhile.
type leaving struct {
	h       *hand
	content uint64 // as it was closed
	done    chan error
}

// leave begins a close, and does not wait for its end; one of which bytes are missing
// fails at once.
func (e *evictions) leave(h *hand) {
	if h.b.misses != nil || h.b.marred {
		e.close(h, false)
		return
	}
	e.closed[hashOf(h.b.cur)] = true
	if h.written {
		h.b.owed = h.b.owed || h.b.risky
		e.probe(h)
	}
	l := &leaving{h: h, content: hashOf(h.b.cur), done: make(chan error, 1)}
	e.leavings = append(e.leavings, l)
	go func() { l.done <- h.Flush(context.Background(), nil) }() // ends with the store's weather, or the volume
}

// left looks at the closes that have ended.
func (e *evictions) left() {
	e.leavings = slices.DeleteFunc(e.leavings, func(l *leaving) bool {
		select {
		case err := <-l.done:
			e.leftWith(l, err)
			l.h.Release()
			return true
		default:
			return false
		}
	})
}

func (e *evictions) leftWith(l *leaving, err error) {
	b := l.h.b
	at := max(0, lastIndex(b.states, l.content))
	switch {
	case !b.named || !l.h.written, err != nil && (b.misses != nil || b.marred):
	case err == nil && at == len(b.states)-1:
		e.kept(b)
	case err == nil: // it was written by somebody else meanwhile
		b.states, b.sure = b.states[at:], true
	case !e.closeMay(b, err):
		e.fail("the close under way of body %d (risky %v, rough %v): %v", b.id, b.risky, e.rough, err)
	case errors.Is(err, ErrIO) && !b.risky:
		b.states, b.sure = b.states[at:], true
	}
}

func lastIndex(list []uint64, x uint64) int {
	for i := range slices.Backward(list) {
		if list[i] == x {
			return i
		}
	}
	return -1
}

// forgetLeavings lets go of the closes of a mount that has ended: nobody was told anything.
func (e *evictions) forgetLeavings() {
	for _, l := range e.leavings {
		<-l.done
	}
	e.leavings = nil
}
