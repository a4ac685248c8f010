package spool

import (
	"math"
	"slices"

	"mcfs/crypt"
)

// How strongly the map on disk refers to a slot.
const (
	notOnDisk  = iota
	inMapFile  // a fast record does: kill -9 would bring it back
	onMedium   // a full one does: so would a power cut
	diskUnit   = 4 << 10
	maxIdle    = 32 // free slots kept with their disk space, for the next write
	slotSize   = crypt.BlockSize
	unitsASlot = slotSize / diskUnit
)

// slot is one place of 32 KiB in the data file.
type slot struct {
	refs    uint32 // the table's, frozen views', a writer's
	units   uint8  // of 4 KiB that it occupies on disk
	durable uint8  // notOnDisk, inMapFile, onMedium
}

// slots are the slots of one file. A free one is idle, with its disk space still
// allocated, or punched. File.mu guards them.
type slots struct {
	all     []slot
	idle    []uint32
	punched ranges
}

// take returns a free slot, with one reference to it.
func (s *slots) take() uint32 {
	var n uint32
	switch {
	case len(s.idle) > 0:
		n = s.idle[len(s.idle)-1]
		s.idle = s.idle[:len(s.idle)-1]
	case len(s.punched) > 0:
		n = uint32(s.punched[0].lo)
		s.punched.remove(int64(n), int64(n)+1)
	default:
		if len(s.all) > math.MaxUint32 {
			panic("spool: more than 2^32 slots") // 256 TiB in one file: no disk allows it
		}
		n = uint32(len(s.all))
		s.all = append(s.all, slot{})
	}
	s.all[n].refs = 1
	return n
}

// adopt makes slot n one that the table and the map on disk refer to, when a file is
// loaded. It returns false if the slot was one already.
func (s *slots) adopt(n uint32, bytes int) bool {
	for int64(len(s.all)) <= int64(n) {
		s.all = append(s.all, slot{})
	}
	if s.all[n].refs > 0 {
		return false
	}
	s.all[n] = slot{refs: 1, units: units(bytes), durable: onMedium}
	return true
}

func (s *slots) isFree(n uint32) bool { return s.all[n].refs == 0 && s.all[n].durable == notOnDisk }

// settle frees slot n if nothing refers to it any more.
func (s *slots) settle(n uint32) {
	if !s.isFree(n) {
		return
	}
	if s.all[n].units == 0 {
		s.punched.add(int64(n), int64(n)+1)
		return
	}
	s.idle = append(s.idle, n)
}

func (s *slots) unref(n uint32) {
	s.all[n].refs--
	s.settle(n)
}

// surplus removes the idle slots beyond keep from the list, and returns them as spans.
func (s *slots) surplus(keep int) ranges {
	if len(s.idle) <= keep {
		return nil
	}
	var out ranges
	cut := slices.Clone(s.idle[:len(s.idle)-keep])
	s.idle = slices.Delete(s.idle, 0, len(s.idle)-keep)
	slices.Sort(cut)
	for _, n := range cut {
		out.add(int64(n), int64(n)+1)
	}
	return out
}

func units(bytes int) uint8 { return uint8((bytes + diskUnit - 1) / diskUnit) }

// punchIdle gives back the disk space of all but keep idle slots, and returns how many
// bytes that were. If the file system cannot punch, they stay idle. The caller holds f.mu.
func (f *File) punchIdle(keep int) (freed int64) {
	for _, span := range f.slots.surplus(keep) {
		off, n := f.slotOffset(uint32(span.lo)), (span.hi-span.lo)*slotSize
		if err := f.data.punch("data.punch", off, n); err != nil {
			f.s.log.Debug("punch", "id", f.id.String(), "err", err)
			for k := span.lo; k < span.hi; k++ {
				f.slots.idle = append(f.slots.idle, uint32(k))
			}
			continue
		}
		for k := span.lo; k < span.hi; k++ {
			freed += int64(f.slots.all[k].units) * diskUnit
			f.slots.all[k].units = 0
		}
		f.slots.punched.add(span.lo, span.hi)
	}
	f.s.quota.add(f.id, -freed)
	return freed
}

func (f *File) slotOffset(n uint32) int64 { return f.header.length + int64(n)*slotSize }

// drop ends the table's reference to a slot. The caller holds f.mu.
func (f *File) drop(n uint32) {
	if f.slots.all[n].durable != notOnDisk {
		f.stale = append(f.stale, n)
	}
	f.slots.unref(n)
}
