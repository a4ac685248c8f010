package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"mcfs/crypt"
)

// File is one sealed file: a sparse array of 32 KiB blocks, each a hole (zeros), stored,
// or absent. Methods may be called by several goroutines at once; a ReadAt sees a WriteAt
// that returned before it began. Some recently written blocks may be held in memory (a
// bounded number over all files) until they are whole, evicted, frozen or synced.
//
// It has many fields, since they change together under one lock: what is in memory, what
// the table has, and what the map on disk still refers to.
type File struct {
	s       *Spool
	id      ID
	header  diskHeader
	sealer  *crypt.Sealer
	data    *descriptor
	lastUse atomic.Int64 // Spool.clock at the last read or write

	mu       sync.RWMutex
	size     int64
	written  int64 // end of the farthest write that is still within the size
	table    table
	dirty    map[int64]*dirtyBlock
	clean    ranges  // blocks that the base has, too
	leaving  *upload // for which blocks may be dropped; nil: none
	left     ranges  // blocks that leaving has, too
	holds    int     // calls of Hold not undone; while there are any, no block is dropped for an upload
	views    map[*Frozen]struct{}
	slots    slots
	logged   int64    // the size in the map on disk
	touched  ranges   // changed since the last record
	unsynced ranges   // changed since the last full record, and not in touched
	stale    []uint32 // slots that the map on disk refers to, and the table no longer
	held     []uint32 // the same, as of the last full record only
	replaced bool     // nobody was promised what the map on disk has: see Replaced
	pins     int      // frozen views and writers at work: descriptor and key must stay
	closed   bool

	syncing sync.Mutex // held by Sync and evict, who write the map
	maplog  mapLog     // without a file before the first Sync: see beginMap
	fast    bool       // the last record is not a full one
	settled bool       // a full Sync has made the file's name in the folder durable
	earlier bool       // a full Sync of an earlier mount has
	moved   bool       // to quarantine
	removed bool       // while frozen views could still read it: the release of the last one deletes it
}

func (f *File) ID() ID       { return f.id }
func (f *File) Path() string { return f.header.Path } // from the header; may be out of date

// Size returns the file's length in bytes.
func (f *File) Size() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.size
}

// InOrder returns how far the writers have got, in bytes: the end of the farthest write, or
// the size if a truncation has made that smaller; but no farther than to what the base has.
func (f *File) InOrder() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	end := f.written
	for _, base := range []func(int64) (span, bool){f.table.inBase, f.clean.next} {
		if s, ok := base(0); ok {
			end = min(end, s.lo*crypt.BlockSize)
		}
	}
	return end
}

// Kept returns the size of the file as the last Sync has made it durable, in bytes.
func (f *File) Kept() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.logged
}

// Durable reports whether a full Sync of the file has ever returned, in this mount or an
// earlier one. Before that, nothing of it need be there after a power cut.
func (f *File) Durable() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.settled || f.earlier
}

// Allocated returns the file's bytes on disk.
func (f *File) Allocated() int64 { return f.s.quota.of(f.id) }

// newFile returns a file without blocks, not yet registered.
func (s *Spool) newFile(id ID, dataKey []byte) (*File, error) {
	sealer, err := crypt.NewSealer(dataKey, id)
	if err != nil {
		return nil, err
	}
	f := &File{s: s, id: id, sealer: sealer, table: newTable(), dirty: map[int64]*dirtyBlock{}, views: map[*Frozen]struct{}{}}
	f.use()
	return f, nil
}

func (f *File) use() { f.lastUse.Store(f.s.clock.Add(1)) }

// Create makes an empty sealed file. dataKey is not kept (the sealing key is derived).
func (s *Spool) Create(h Header, dataKey []byte) (*File, error) {
	if err := s.claim(h.ID); err != nil {
		return nil, fmt.Errorf("create %s: %w", h.ID, err)
	}
	f, err := s.create(h, dataKey)
	if err != nil {
		s.unclaim(h.ID)
		return nil, fmt.Errorf("create %s: %w", h.ID, diskError(err))
	}
	s.register(f)
	return f, nil
}

func (s *Spool) create(h Header, dataKey []byte) (f *File, err error) {
	if err := s.reserve(1); err != nil { // room for header and map
		return nil, err
	}
	defer s.release(1)
	if f, err = s.newFile(h.ID, dataKey); err != nil {
		return nil, err
	}
	f.header = diskHeader{Header: h, mapless: true}
	f.header.Wrapped = slices.Clone(h.Wrapped)
	head, err := f.sealHeader()
	if err != nil {
		return nil, err
	}
	if f.data, err = s.descriptors.create("data", s.path(h.ID.String()), os.O_EXCL, head); err != nil {
		return nil, err
	}
	// The directory entry is not on the disk yet: the first full Sync syncs the folder.
	f.fast = true
	s.quota.set(h.ID, f.header.length)
	return f, nil
}

// sealHeader returns the header as it is to be written.
func (f *File) sealHeader() ([]byte, error) {
	f.header.sealedPath = f.sealer.SealRecord(nil, []byte(f.header.Path), f.header.label())
	return f.header.marshal()
}

// countMap tells the quota the map file's length now.
func (f *File) countMap() {
	now := int64(roundUp(int(f.maplog.end), diskUnit))
	f.s.quota.add(f.id, now-f.maplog.counted)
	f.maplog.counted = now
}

// Close frees descriptor and memory without syncing. The file stays on disk, and frozen
// views of it can be read until they are released.
func (f *File) Close() error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.closedError()
	}
	f.closed = true
	for _, b := range f.dirtyIn(0, endOfBlocks) {
		f.forget(b)
	}
	var err error
	if f.maplog.file != nil {
		err = f.maplog.file.close()
	}
	if f.pins > 0 {
		f.s.linger(f)
	}
	f.s.unclaim(f.id)
	if f.moved {
		f.s.quota.set(f.id, 0)
	}
	f.pin()
	return errors.Join(err, f.unpin())
}

func (f *File) closedError() error { return fmt.Errorf("sealed file %s: %w", f.id, fs.ErrClosed) }

// seal is sealRun with one block.
func (f *File) seal(plain []byte, i int64, n uint32) (entry, error) {
	list, err := f.sealRun(make([]entry, 0, 1), plain, i, n)
	if err != nil {
		return entry{}, err
	}
	return list[0], nil
}

// unseal reads block i, all e.n bytes of it, into dst, whose capacity suffices.
func (f *File) unseal(dst []byte, i int64, e entry) error {
	buf := sealedPool.Get().(*sealedBuf)
	defer sealedPool.Put(buf)
	sealed, err := f.fetch(buf, e)
	if err != nil {
		return fmt.Errorf("read block %d of %s: %w", i, f.id, err)
	}
	out, err := f.sealer.OpenBlock(dst[:0:e.n], sealed, uint64(i), e.slot)
	if err != nil {
		return fmt.Errorf("read block %d of %s: %w: %w", i, f.id, ErrCorrupt, err)
	}
	if &out[0] != &dst[:1][0] { // only if dst were too small
		copy(dst[:e.n], out)
	}
	return nil
}

// fetch returns a sealed block: its bytes from its slot, nonce and tag from the table.
func (f *File) fetch(buf *sealedBuf, e entry) ([]byte, error) {
	end := nonceSize + int(e.n)
	copy(buf[:], e.nonce[:])
	copy(buf[end:], e.tag[:])
	err := f.data.readFull("data.read", buf[nonceSize:end], f.slotOffset(e.slot))
	return buf[:end+tagSize], err
}

// occupy counts the disk space that a block takes. The caller holds f.mu.
func (f *File) occupy(e entry) { f.occupySlot(e.slot, int(e.n)) }

func (f *File) occupySlot(n uint32, bytes int) {
	s := &f.slots.all[n]
	if now := units(bytes); now > s.units {
		f.s.quota.add(f.id, int64(now-s.units)*diskUnit)
		s.units = now
	}
}

// spoil gives back a slot in which there may be a part of a block, since a write failed or
// its block is not used. The caller holds f.mu.
func (f *File) spoil(n uint32) {
	f.occupySlot(n, slotSize)
	f.slots.unref(n)
}

// install makes block i stored, as e. The caller holds f.mu.
func (f *File) install(i int64, e entry) {
	if b := f.dirty[i]; b != nil {
		f.forget(b)
	}
	if old, ok := f.table.get(i); ok {
		f.drop(old.slot)
	}
	f.table.put(i, e)
	f.touched.add(i, i+1)
}

// dirtyIn returns the dirty blocks in [lo, hi), in order. The caller holds f.mu.
func (f *File) dirtyIn(lo, hi int64) []*dirtyBlock {
	var list []*dirtyBlock
	for i, b := range f.dirty {
		if lo <= i && i < hi {
			list = append(list, b)
		}
	}
	slices.SortFunc(list, func(a, b *dirtyBlock) int { return int(min(max(a.i-b.i, -1), 1)) })
	return list
}
