package spool

// Room returns how many bytes can still be written: what quota and disk have left, and the
// blocks that can be dropped.
func (s *Spool) Room() int64 {
	room := s.quota.left()
	for _, f := range s.files() {
		room += f.droppable() + f.staleBytes()
	}
	return max(room, 0)
}

// left returns what is neither taken nor reserved of the quota or, if that is less, of the
// disk.
func (q *quota) left() int64 {
	disk, err := q.free()
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.max - q.max/64 - q.used - q.reserved
	if err != nil { // as in diskHas
		return left
	}
	return min(left, disk-q.reserved-diskMargin)
}

// droppable returns how many bytes of disk reclaim could free of the file's blocks.
func (f *File) droppable() (bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0
	}
	for _, w := range []where{inBase, inUpload} {
		marks, _ := f.marked(w)
		for _, s := range marks {
			f.table.each(s.lo, s.hi, func(i int64, e entry) bool {
				if slot := f.slots.all[e.slot]; f.dirty[i] == nil && slot.refs <= 1 {
					bytes += int64(slot.units) * diskUnit
				}
				return true
			})
		}
	}
	return bytes
}
