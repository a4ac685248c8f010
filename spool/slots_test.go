package spool

import "slices"

// checkSlots recounts what refers to each slot.
func checkSlots(t fatal, f *File) {
	t.Helper()
	free := map[uint32]bool{}
	for _, n := range f.slots.idle {
		if free[n] {
			t.Fatalf("slot %d is free twice", n)
		}
		free[n] = true
	}
	for _, s := range f.slots.punched {
		for n := s.lo; n < s.hi; n++ {
			if free[uint32(n)] {
				t.Fatalf("slot %d is free twice", n)
			}
			free[uint32(n)] = true
		}
	}
	inTable := map[uint32]bool{}
	f.table.each(0, endOfBlocks, func(i int64, e entry) bool {
		if inTable[e.slot] || free[e.slot] {
			t.Fatalf("slot %d of block %d is used twice or free", e.slot, i)
		}
		inTable[e.slot] = true
		return true
	})
	waiting := map[uint32]bool{}
	for _, n := range append(slices.Clone(f.stale), f.held...) {
		if waiting[n] || inTable[n] {
			t.Fatalf("slot %d waits for a sync twice, or is in the table", n)
		}
		waiting[n] = true
	}
	var bytes int64
	for n, s := range f.slots.all {
		if (s.refs == 0 && s.durable == notOnDisk) != free[uint32(n)] {
			t.Fatalf("slot %d: %+v, free %v", n, s, free[uint32(n)])
		}
		if s.durable != notOnDisk && !inTable[uint32(n)] && !waiting[uint32(n)] {
			t.Fatalf("slot %d is held by the disk's map for ever", n)
		}
		bytes += int64(s.units) * diskUnit
	}
	if got := f.s.quota.of(f.id) - f.header.length - f.maplog.counted; got != bytes {
		t.Fatalf("%d bytes of slots counted, want %d", got, bytes)
	}
}
