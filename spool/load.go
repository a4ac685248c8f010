package spool

import (
	"errors"
	"fmt"
	"io/fs"
)

// Load opens a sealed file as its last Sync left it. Slots that no record of the map on
// disk names are given back. If the error is ErrCorrupt, the file is in quarantine.
func (s *Spool) Load(id ID, dataKey []byte) (*File, error) {
	if err := s.claim(id); err != nil {
		return nil, fmt.Errorf("load %s: %w", id, err)
	}
	f, err := s.load(id, dataKey)
	if err == nil {
		s.register(f)
		return f, nil
	}
	s.unclaim(id)
	if errors.Is(err, ErrCorrupt) {
		if qerr := s.Quarantine(id, err.Error()); qerr != nil {
			err = errors.Join(err, qerr)
		}
	}
	return nil, fmt.Errorf("load %s: %w", id, err)
}

// LoadLoose is Load for a file that was never Durable, after the machine went down. If
// nothing of it can be read, the error is fs.ErrNotExist, and what is there is deleted: it
// was never promised, and without a map no block of it can be told from damage.
func (s *Spool) LoadLoose(id ID, dataKey []byte) (*File, error) {
	if err := s.claim(id); err != nil {
		return nil, fmt.Errorf("load %s: %w", id, err)
	}
	f, err := s.load(id, dataKey)
	if err == nil {
		s.register(f)
		return f, nil
	}
	s.unclaim(id)
	if errors.Is(err, ErrCorrupt) {
		s.log.Info("a sealed file that was never fsynced did not reach the disk before the machine went down", "id", id.String(), "cause", err)
		if err = s.Remove(id); err == nil {
			err = fs.ErrNotExist
		}
	}
	return nil, fmt.Errorf("load %s: %w", id, err)
}

func (s *Spool) load(id ID, dataKey []byte) (_ *File, err error) {
	f, err := s.newFile(id, dataKey)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.closeFiles()
		}
	}()
	path := s.path(id.String())
	if f.data, err = s.descriptors.openAt("data", path, true); err != nil {
		return nil, err
	}
	if f.header, err = loadHeader(f.data, id); err != nil {
		return nil, err
	}
	name, err := f.sealer.OpenRecord(nil, f.header.sealedPath, f.header.label())
	if err != nil {
		return nil, fmt.Errorf("sealed path: %w: %w", ErrCorrupt, err)
	}
	f.header.Path = string(name)
	defer func() {
		if err != nil {
			err = fmt.Errorf("%q: %w", name, err) // goes into the note in quarantine
		}
	}()
	if f.header.mapless {
		f.fast = true
		if err := s.sys.remove("map.remove", path+mapSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a beginMap that was killed
			return nil, err
		}
		return f, f.adoptSlots()
	}
	if f.maplog.file, err = s.descriptors.openAt("map", path+mapSuffix, true); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("the map is missing: %w", ErrCorrupt)
		}
		return nil, err
	}
	m, err := f.readMap()
	if err != nil {
		return nil, err
	}
	if err := f.replay(m); err != nil {
		return nil, err
	}
	return f, f.adoptSlots()
}

func (f *File) closeFiles() {
	for _, d := range []*descriptor{f.data, f.maplog.file} {
		if d != nil {
			d.close()
		}
	}
	f.sealer.Wipe()
}

func (f *File) readMap() (parsedMap, error) {
	size, err := f.maplog.file.size()
	if err != nil {
		return parsedMap{}, err
	}
	b := make([]byte, size)
	if err := f.maplog.file.readFull("map.read", b, 0); err != nil {
		return parsedMap{}, err
	}
	m, err := parseMap(b, f.sealer)
	f.maplog.seq, f.maplog.end, f.maplog.doubtful = m.seq, m.end, m.torn
	return m, err
}

// replay builds the table from the records.
//
// Records after the last full one were not synced. In the boot that wrote them the page
// cache has all blocks that they name. After a reboot some may be missing: then every such
// block is read, and if one fails, the file goes back to the full record, which was
// promised. Records of evictions were synced, and are applied in both cases.
func (f *File) replay(m parsedMap) error {
	full := 0
	for k, r := range m.records {
		if r.full {
			full = k
		}
	}
	f.earlier = m.first > 0 || full > 0 // the very first record is written before anything was synced
	base := newTable()
	doubt := false
	for k, r := range m.records {
		if err := r.apply(&f.table); err != nil {
			return err
		}
		if r.kind != recordEvicted {
			f.size = r.size
		}
		if k > full && r.kind == recordDelta {
			f.fast = true
			doubt = doubt || r.boot != f.s.boot
		}
	}
	f.logged = f.size
	if err := checkShape(&f.table, f.size); err != nil {
		return err
	}
	if f.fast {
		f.unsynced.add(0, endOfBlocks)
		f.data.suspect()
		f.maplog.file.suspect()
	}
	if !doubt {
		return nil
	}
	f.maplog.doubtful = true // either way the next Sync writes it anew, as full
	for _, r := range m.records[:full+1] {
		if err := r.apply(&base); err != nil {
			return err
		}
	}
	err := f.verifySince(&base)
	if err == nil || !errors.Is(err, ErrCorrupt) {
		return err
	}
	f.s.log.Warn("what was not fsynced before the machine went down is lost: back to the last fsync", "id", f.id.String(), "err", err)
	for _, r := range m.records[full+1:] {
		if r.kind != recordEvicted {
			continue
		}
		if err := r.apply(&base); err != nil {
			return err
		}
	}
	f.table, f.size = base, m.records[full].size
	f.logged = f.size
	return nil
}

// verifySince reads every stored block that base does not have, and returns an error if
// one does not authenticate.
func (f *File) verifySince(base *table) (err error) {
	buf := blockPool.Get().(*block)
	defer putBlock(buf)
	f.table.each(0, endOfBlocks, func(i int64, e entry) bool {
		if old, ok := base.get(i); ok && old == e {
			return true
		}
		err = f.unseal(buf[:], i, e)
		return err == nil
	})
	return err
}

// checkShape returns an error if a block lies behind the file's end. Since all records are
// authenticated, only a mistake of this program could have written that.
func checkShape(t *table, size int64) error {
	end := blocksOf(size)
	for _, key := range t.keys(end, endOfBlocks) {
		for k, e := range t.pages[key].e {
			if e.n > 0 && key*pageBlocks+int64(k) >= end {
				return errRecord
			}
		}
	}
	if s, ok := t.absent.next(end); ok && s.hi > end {
		return errRecord
	}
	return nil
}

// adoptSlots marks the slots that the table names as used, and gives the disk space of the
// others back.
func (f *File) adoptSlots() (err error) {
	f.s.quota.set(f.id, f.header.length)
	f.countMap()
	f.table.each(0, endOfBlocks, func(_ int64, e entry) bool {
		if !f.slots.adopt(e.slot, int(e.n)) {
			err = fmt.Errorf("two blocks in slot %d: %w", e.slot, ErrCorrupt)
			return false
		}
		f.s.quota.add(f.id, int64(units(int(e.n)))*diskUnit)
		return true
	})
	if err != nil {
		return err
	}
	for n := range f.slots.all {
		if f.slots.isFree(uint32(n)) {
			f.occupySlot(uint32(n), slotSize)
			f.slots.settle(uint32(n))
		}
	}
	f.punchIdle(0)
	size, err := f.data.size()
	if err != nil {
		return err
	}
	if end := f.slotOffset(uint32(len(f.slots.all))); size > end {
		return f.data.truncate("data.truncate", end)
	}
	return nil
}
