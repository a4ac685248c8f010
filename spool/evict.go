package spool

// SetClean marks the whole blocks of a range whose bytes the base has, too. When the quota
// is reached the spool drops such blocks, those of the least recently used file first.
// Writing into the range clears the mark there. n is in bytes; -1 is to the end, whatever
// the size. A block of which a part lies outside the range is not marked, unless that part
// lies behind the file's end.
func (f *File) SetClean(off, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clean.add(f.wholeBlocks(off, n))
}

// ClearClean clears these marks in a range, so that its blocks stay. n is as in SetClean.
func (f *File) ClearClean(off, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clean.remove(f.wholeBlocks(off, n))
}

// where tells who has the bytes of a dropped block.
type where uint8

const (
	inBase   where = iota
	inUpload       // only there
)

// marked returns which blocks may be dropped since w has them, and for which upload that
// is. f.mu is held.
func (f *File) marked(w where) (marks ranges, to *upload) {
	switch {
	case w == inBase:
		return f.clean, nil
	case f.holds > 0 || f.leaving == nil:
		return nil, nil
	}
	return f.left, f.leaving
}

// evict drops marked blocks until about want bytes of disk are free.
//
// For a block that the map on disk refers to, a record is written to the map first, and
// synced: one fdatasync for the whole batch. If its slot were punched before, a crash
// would leave a map that refers to a block of zeros, which cannot be told from a damaged
// one. The caller holds f.syncing.
func (f *File) evict(w where, want int64) (freed int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	marks, to := f.marked(w)
	if f.closed || len(marks) == 0 {
		return 0
	}
	now, later := f.victims(marks, want)
	for _, v := range now {
		f.makeAbsent(v, to)
		f.touched.add(v.i, v.i+1)
	}
	freed = f.punchIdle(0)
	if len(later) == 0 || freed >= want || f.maplog.doubtful || f.moved {
		return freed
	}
	r := f.evictionRecord(later, to)
	f.mu.Unlock() // readers and writers go on while the disk works; f.syncing keeps others off the map
	err := f.appendRecord(r, true)
	f.mu.Lock()
	if err != nil {
		f.s.log.Warn("blocks could not be evicted", "id", f.id.String(), "err", err)
		return freed
	}
	marks, still := f.marked(w)
	for _, v := range later {
		f.slots.all[v.e.slot].durable = notOnDisk
		e, ok := f.table.get(v.i)
		switch {
		case !ok || e.slot != v.e.slot: // rewritten meanwhile: the slot is in f.stale
		case still == to && marks.has(v.i):
			f.makeAbsent(v, to)
		default: // unmarked meanwhile: the block goes into the map on disk again
			f.touched.add(v.i, v.i+1)
		}
	}
	f.stale = f.release(f.stale, notOnDisk)
	return freed + f.punchIdle(0)
}

// freeStale frees the slots to which only the map on disk refers, by a sync of the file as
// it is now, if nobody was promised what it was. It returns how many bytes of disk that
// are. The caller holds f.syncing.
func (f *File) freeStale() (freed int64) {
	if f.staleBytes() == 0 {
		return 0
	}
	freed, err := f.sync(false)
	if err != nil {
		f.s.log.Warn("a sealed file could not be synced to make room", "id", f.id.String(), "err", err)
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return freed + f.punchIdle(0)
}

// staleBytes returns how many bytes of disk freeStale could free.
func (f *File) staleBytes() (bytes int64) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed || !f.replaced {
		return 0
	}
	for _, list := range [][]uint32{f.stale, f.held} {
		for _, n := range list {
			if slot := f.slots.all[n]; slot.refs == 0 {
				bytes += int64(slot.units) * diskUnit
			}
		}
	}
	return bytes
}

type victim struct {
	i int64
	e entry
}

// victims chooses marked blocks from the file's start. now are those that the map on disk
// does not refer to, later those about which it agrees with the table.
func (f *File) victims(marks ranges, want int64) (now, later []victim) {
	var found int64
	for _, s := range marks {
		f.table.each(s.lo, s.hi, func(i int64, e entry) bool {
			slot := f.slots.all[e.slot]
			if f.dirty[i] != nil || slot.refs > 1 {
				return true
			}
			switch {
			case slot.durable == notOnDisk:
				now = append(now, victim{i, e})
			case !f.touched.has(i):
				later = append(later, victim{i, e})
			default: // the next Sync will make it one or the other
				return true
			}
			found += int64(slot.units) * diskUnit
			return found < want
		})
		if found >= want {
			break
		}
	}
	return now, later
}

// makeAbsent drops a stored block. The caller holds f.mu.
func (f *File) makeAbsent(v victim, to *upload) {
	f.table.evict(v.i, to)
	f.drop(v.e.slot)
}

// evictionRecord returns the record of dropped blocks, with the slots in which they were.
func (f *File) evictionRecord(list []victim, to *upload) record {
	r := f.record(recordEvicted, false)
	r.size = f.logged
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].i == list[n-1].i+1 {
			n++
		}
		slots := make([]uint32, n)
		for k := range slots {
			slots[k] = list[k].e.slot
		}
		r.runs = appendEvicted(r.runs, list[0].i, slots, to)
		list = list[n:]
	}
	return r
}
