package spool

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"mcfs/crypt"
)

// record is one entry of the map's log: what has changed since the one before.
//
//	1  kind
//	1  1 if data and map were on the disk when it was complete ("full"), else 0
//	16 the boot in which it was written
//	…  size of the file, uvarint; then runs until the end
//
// A run is its kind, the first block and the number of blocks (uvarints). In runStored
// follow for each block: slot (zigzag, from the one after the last), 32 KiB minus its
// length, nonce, tag; in runEvicted the slots. In runCut the second number is how many
// bytes of the block count. runSent and runLeft are runAbsent and runEvicted for what only
// an upload has, whose 16 bytes come first.
type record struct {
	kind byte
	full bool
	boot [16]byte
	size int64
	runs []byte
}

const (
	recordSnapshot = 1 // the whole table
	recordDelta    = 2 // the blocks it names, and the size
	recordEvicted  = 3 // blocks made absent, where they still are in the slots it names

	runHole    = 1
	runAbsent  = 2
	runStored  = 3
	runCut     = 4
	runEvicted = 5
	runSent    = 6
	runLeft    = 7
)

func (r record) marshal() []byte {
	full := byte(0)
	if r.full {
		full = 1
	}
	b := append(make([]byte, 0, 32+len(r.runs)), r.kind, full)
	b = append(b, r.boot[:]...)
	b = binary.AppendUvarint(b, uint64(r.size))
	return append(b, r.runs...)
}

var errRecord = fmt.Errorf("map record does not parse: %w", ErrCorrupt)

func parseRecord(b []byte) (r record, err error) {
	if len(b) < 18 || b[0] < recordSnapshot || b[0] > recordEvicted || b[1] > 1 {
		return r, errRecord
	}
	r.kind, r.full = b[0], b[1] == 1
	copy(r.boot[:], b[2:18])
	size, n := binary.Uvarint(b[18:])
	if n <= 0 || size > math.MaxInt64 {
		return r, errRecord
	}
	r.size, r.runs = int64(size), b[18+n:]
	return r, nil
}

// appendRuns appends the runs of what the table has in the given blocks.
func appendRuns(b []byte, t *table, in ranges) []byte {
	for _, s := range in {
		b = appendSpan(b, t, s)
		for _, i := range sortedCuts(t, s) {
			b = appendRun(b, runCut, i, int64(t.cuts[i]))
		}
	}
	return b
}

func appendRun(b []byte, kind byte, lo, n int64) []byte {
	b = binary.AppendUvarint(append(b, kind), uint64(lo))
	return binary.AppendUvarint(b, uint64(n))
}

// appendSpan appends the runs of one span: first what is not stored, then over it what is.
func appendSpan(b []byte, t *table, s span) []byte {
	b = appendRun(b, runHole, s.lo, s.hi-s.lo)
	for _, a := range t.absent.clip(s.lo, s.hi) {
		b = appendRun(b, runAbsent, a.lo, a.hi-a.lo)
	}
	for _, in := range t.sent.clip(s.lo, s.hi) {
		for _, a := range in.blocks {
			b = append(appendRun(b, runSent, a.lo, a.hi-a.lo), in.up.id[:]...)
		}
	}
	var first int64
	var run []entry
	flush := func() {
		if len(run) > 0 {
			b = appendStored(b, first, run)
		}
		run = run[:0]
	}
	t.each(s.lo, s.hi, func(i int64, e entry) bool {
		if i != first+int64(len(run)) {
			flush()
		}
		if len(run) == 0 {
			first = i
		}
		run = append(run, e)
		return true
	})
	flush()
	return b
}

func appendStored(b []byte, first int64, run []entry) []byte {
	b = appendRun(b, runStored, first, int64(len(run)))
	next := int64(0)
	for _, e := range run {
		b = binary.AppendVarint(b, int64(e.slot)-next)
		b = binary.AppendUvarint(b, uint64(crypt.BlockSize-e.n))
		b = append(append(b, e.nonce[:]...), e.tag[:]...)
		next = int64(e.slot) + 1
	}
	return b
}

// appendEvicted appends the run of an evicted block. Neighbours are not joined, since
// evictions are few and soon compacted.
func appendEvicted(b []byte, i int64, slots []uint32, to *upload) []byte {
	if to == nil {
		b = appendRun(b, runEvicted, i, int64(len(slots)))
	} else {
		b = append(appendRun(b, runLeft, i, int64(len(slots))), to.id[:]...)
	}
	next := int64(0)
	for _, slot := range slots {
		b = binary.AppendVarint(b, int64(slot)-next)
		next = int64(slot) + 1
	}
	return b
}

func sortedCuts(t *table, s span) []int64 {
	var list []int64
	for i := range t.cuts {
		if s.lo <= i && i < s.hi {
			list = append(list, i)
		}
	}
	slices.Sort(list)
	return list
}

// decoder parses runs. After its first failure it stays failed.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() int64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > math.MaxInt64 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return int64(v)
}

func (d *decoder) slot(next int64) uint32 {
	v, n := binary.Varint(d.b)
	at := next + v
	if n <= 0 || at < 0 || at > math.MaxUint32 || v > math.MaxUint32 || v < -math.MaxUint32-1 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return uint32(at)
}

func (d *decoder) bytes(dst []byte) {
	if len(d.b) < len(dst) {
		d.bad, d.b = true, nil
		return
	}
	d.b = d.b[copy(dst, d.b):]
}

// apply applies the record to the table. After an error the table is of no use.
func (r record) apply(t *table) error {
	ignore := func(int64, entry) {}
	if r.kind == recordSnapshot {
		*t = newTable()
	}
	d := decoder{b: r.runs}
	for len(d.b) > 0 {
		kind := d.b[0]
		d.b = d.b[1:]
		lo, n := d.uvarint(), d.uvarint()
		if d.bad || lo >= endOfBlocks || (kind == runEvicted || kind == runLeft) != (r.kind == recordEvicted) {
			return errRecord
		}
		if kind != runCut && (n < 1 || n > endOfBlocks-lo) {
			return errRecord
		}
		switch kind {
		case runHole:
			t.clear(lo, lo+n, ignore)
		case runAbsent:
			t.setAbsent(lo, lo+n, ignore)
		case runCut:
			if n < 1 || n >= crypt.BlockSize {
				return errRecord
			}
			t.cut(lo, int(n))
		case runStored:
			d.stored(t, lo, n)
		case runEvicted:
			d.evicted(t, lo, n, nil)
		case runSent:
			d.sent(t, lo, n)
		case runLeft:
			d.evicted(t, lo, n, d.upload(t))
		default:
			return errRecord
		}
		if d.bad {
			return errRecord
		}
	}
	return nil
}

func (d *decoder) stored(t *table, lo, n int64) {
	next := int64(0)
	for i := lo; i < lo+n; i++ {
		var e entry
		e.slot = d.slot(next)
		short := d.uvarint()
		d.bytes(e.nonce[:])
		d.bytes(e.tag[:])
		if d.bad || short >= crypt.BlockSize {
			d.bad = true
			return
		}
		e.n = uint32(crypt.BlockSize - short)
		next = int64(e.slot) + 1
		t.put(i, e)
	}
}

// upload parses an upload's id, and returns the table's value for it.
func (d *decoder) upload(t *table) *upload {
	var id ID
	d.bytes(id[:])
	return t.sent.find(id)
}

func (d *decoder) sent(t *table, lo, n int64) {
	up := d.upload(t)
	if d.bad {
		return
	}
	t.setAbsent(lo, lo+n, func(int64, entry) {})
	t.sent.add(up, lo, lo+n)
}

func (d *decoder) evicted(t *table, lo, n int64, to *upload) {
	next := int64(0)
	for i := lo; i < lo+n; i++ {
		slot := d.slot(next)
		if d.bad {
			return
		}
		next = int64(slot) + 1
		if e, ok := t.get(i); ok && e.slot == slot {
			t.evict(i, to)
		}
	}
}
