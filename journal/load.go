package journal

import (
	"bytes"
	"fmt"
)

// loaded is what a log holds.
type loaded struct {
	header
	state *state
	seq   uint64 // number of the next record
	end   int64  // where it goes
	torn  bool   // a power cut has left something other than zeros after end
	aside int    // values that were set aside
	doubt string // why something is missing of which nothing else is known
}

// damaged reports whether the log must not be written to any more.
func (l *loaded) damaged() bool { return l.aside > 0 || l.doubt != "" }

// load parses a log. The error is ErrCorrupt if nothing of it can be trusted.
func load(b []byte) (*loaded, error) {
	h, err := parseHeader(b)
	if err != nil {
		return nil, err
	}
	p := loader{b: b, durable: h.durable, l: &loaded{header: h, state: newState(), end: firstFrame}}
	p.l.state.number = h.number
	list := frames(b, h.sum())
	for _, f := range list {
		p.durable = max(p.durable, f.durable)
		p.l.size = max(p.l.size, f.size)
	}
	for _, f := range list {
		if !p.take(f) {
			break
		}
	}
	p.finish()
	return p.l, nil
}

// frames finds all records whose heads are whole, and what lies between them. Zeros at the
// end are not part of it.
func frames(b []byte, salted uint32) (list []frame) {
	limit := len(bytes.TrimRight(b, "\x00"))
	for at := firstFrame; at < limit; {
		if end := endOfFiller(b, at); end > at {
			at = end
			continue
		}
		f, ok := parseFrame(b, at, salted)
		if !ok {
			f = frame{gap: true, at: at, end: nextFrame(b, at+1, limit, salted)}
		}
		list = append(list, f)
		at = f.end
	}
	return list
}

// endOfFiller returns the end of the filler that reaches from at to the end of its sector,
// or at.
func endOfFiller(b []byte, at int) int {
	end := sectorEnd(at)
	if end <= len(b) && len(bytes.TrimLeft(b[at:end], "\xff")) == 0 {
		return end
	}
	return at
}

// nextFrame returns where the next record begins whose head is whole, or the limit.
func nextFrame(b []byte, at, limit int, salted uint32) int {
	for at < limit {
		k := bytes.Index(b[at:limit], []byte(frameMark))
		if k < 0 {
			break
		}
		at += k
		if _, ok := parseFrame(b, at, salted); ok {
			return at
		}
		at++
	}
	return limit
}

// loader takes records in order. A transaction waits until its end has come.
type loader struct {
	b       []byte
	durable uint64 // records below this number were on the disk once
	pending []frame
	l       *loaded
	stopped bool
}

// take takes the next record or gap. It reports whether what follows counts too.
func (p *loader) take(f frame) bool {
	l := p.l
	if f.gap {
		if l.seq >= p.durable && zeros(p.b, f.at, sectorEnd(f.at)) {
			return p.stop()
		}
		p.doubtful("%d bytes at %d are no records", f.end-f.at, f.at)
		return true
	}
	if f.seq < l.seq {
		p.doubtful("record %d comes again after %d", f.seq, l.seq)
		return true
	}
	if f.seq > l.seq {
		p.doubtful("records %d to %d are missing", l.seq, f.seq-1)
		l.seq = f.seq
	}
	if !f.sound && f.seq >= p.durable && zeroSector(p.b, f.at, f.end) {
		return p.stop()
	}
	l.seq++
	switch {
	case !f.known():
		p.doubtful("record %d is of a kind that is not known", f.seq)
	case !f.sound && (f.kind != opPut || f.bucket == bucketUnreadable):
		p.doubtful("record %d does not match its checksum", f.seq)
	case !f.sound:
		p.apply()
		l.state.setAside(f.bucket, f.key, f.value)
		l.aside++
	default:
		p.pending = append(p.pending, f)
		if f.ends {
			p.apply()
		}
	}
	if len(p.pending) == 0 {
		l.end = int64(min(f.end, len(p.b)))
	}
	return true
}

func (f frame) known() bool {
	return (f.kind == opPut || f.kind == opDelete) && f.bucket > 0 && f.bucket < buckets
}

// stop ends at what a power cut has torn: its transaction has not happened, nor has what
// was written together with it.
func (p *loader) stop() bool {
	p.l.seq -= uint64(len(p.pending))
	p.pending, p.stopped = nil, true
	return false
}

func (p *loader) apply() {
	for _, f := range p.pending {
		o := f.op
		o.value = bytes.Clone(o.value)
		p.l.state.apply(o)
	}
	p.pending = nil
}

// doubtful notes that something is missing. What has come of its transaction holds.
func (p *loader) doubtful(format string, a ...any) {
	p.apply()
	if p.l.doubt == "" {
		p.l.doubt = fmt.Sprintf(format, a...)
	}
}

func (p *loader) finish() {
	l := p.l
	if l.seq < p.durable {
		p.doubtful("records %d to %d are missing", l.seq, p.durable-1)
	}
	if l.size > int64(len(p.b)) || l.size < firstFrame {
		p.doubtful("of %d bytes %d are there", l.size, len(p.b))
	}
	if !p.stopped { // the last transaction was not written to its end
		l.seq -= uint64(len(p.pending))
		p.pending = nil
	}
	l.torn = !zeros(p.b, int(l.end), len(p.b))
}

func sectorEnd(at int) int { return at/sectorSize*sectorSize + sectorSize }

func zeros(b []byte, lo, hi int) bool {
	hi = min(hi, len(b))
	return lo >= hi || len(bytes.TrimLeft(b[lo:hi], "\x00")) == 0
}

// zeroSector reports whether the part of b[lo:hi] in any sector of the disk is all zeros.
func zeroSector(b []byte, lo, hi int) bool {
	hi = min(hi, len(b))
	for lo < hi {
		end := min(hi, sectorEnd(lo))
		if zeros(b, lo, end) {
			return true
		}
		lo = end
	}
	return false
}
