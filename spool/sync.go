package spool

import (
	"errors"
	"fmt"
	"slices"
)

// Sync makes blocks, map and size durable. fast leaves out the fsyncs, which is enough for
// kill -9 and not for power loss.
//
// Writers go on while the disk works. After an error nothing counts as durable: the next
// Sync writes again what an fsync may have dropped from the page cache, and replaces the
// map.
func (f *File) Sync(fast bool) error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	f.mu.Lock()
	f.replaced = false
	f.mu.Unlock()
	if _, err := f.sync(fast); err != nil {
		return fmt.Errorf("sync %s: %w", f.id, err)
	}
	return nil
}

// Replaced tells that nobody was promised what the last Sync has made durable, until the
// next one: when the quota is reached, what the map on disk alone still refers to is freed.
func (f *File) Replaced() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replaced = true
}

// sync is Sync, and returns how many bytes of disk it gave back. The caller holds f.syncing.
func (f *File) sync(fast bool) (freed int64, err error) {
	if f.moved {
		return 0, fmt.Errorf("it is in quarantine: %w", ErrCorrupt)
	}
	// Whether the file is doubtful must not change before everything in doubt is written again.
	if err := f.data.hold(); err != nil {
		return 0, err
	}
	defer f.data.release()
	c, err := f.capture(fast)
	if err != nil || c == nil {
		return 0, err
	}
	err = f.storeCapture(c)
	return f.conclude(c, err), err
}

// captured is what one Sync has to write.
type captured struct {
	record  record
	replace bool // the map file, instead of appending to it
	in      ranges
	stale   []uint32
	redo    []victim // blocks to write once more
}

// logSlack is how long a map may grow beyond twice its contents before a full Sync compacts it, in bytes.
const logSlack = 16 << 10

// capture seals dirty blocks and returns what is to be written to the map; nil if nothing.
func (f *File) capture(fast bool) (*captured, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, f.closedError()
	}
	if err := f.sealAll(0, endOfBlocks); err != nil {
		return nil, err
	}
	clean := len(f.touched) == 0 && f.size == f.logged && !f.maplog.doubtful
	if clean && (fast || !f.fast) {
		return nil, nil
	}
	// A replacement is always a full sync: once renamed over the old map, it must not name
	// blocks that are not on the disk.
	live := 36*f.table.stored + 16*int64(len(f.table.absent)) + 256
	replace := f.maplog.doubtful || !fast && (!f.settled || f.maplog.end > 2*live+logSlack) || f.maplog.end > 8*live+16<<20
	c := &captured{replace: replace, in: f.touched, stale: f.stale}
	f.touched, f.stale = nil, nil
	full := replace || !fast
	if replace {
		c.record = f.record(recordSnapshot, true)
		c.record.runs = appendRuns(nil, &f.table, ranges{{0, endOfBlocks}})
	} else {
		c.record = f.record(recordDelta, full)
		c.record.runs = appendRuns(nil, &f.table, c.in)
	}
	f.markDurable(c.in, full)
	if full {
		f.markDurable(f.unsynced, full)
	}
	if full && f.data.doubtful() {
		c.redo = f.inDoubt(c.in)
	}
	return c, nil
}

func (f *File) record(kind byte, full bool) record {
	return record{kind: kind, full: full, boot: f.s.boot, size: f.size}
}

// markDurable marks the slots of a record that may be on disk from now on, so that they
// stay.
func (f *File) markDurable(in ranges, full bool) {
	level := uint8(inMapFile)
	if full {
		level = onMedium
	}
	for _, s := range in {
		f.table.each(s.lo, s.hi, func(_ int64, e entry) bool {
			f.slots.all[e.slot].durable = max(f.slots.all[e.slot].durable, level)
			return true
		})
	}
}

// inDoubt returns the blocks that no successful fsync has covered.
func (f *File) inDoubt(in ranges) (list []victim) {
	all := slices.Clone(f.unsynced)
	all.addAll(in)
	for _, s := range all {
		f.table.each(s.lo, s.hi, func(i int64, e entry) bool {
			list = append(list, victim{i, e})
			return true
		})
	}
	return list
}

func (f *File) storeCapture(c *captured) error {
	if err := f.beginMap(); err != nil {
		return err
	}
	if c.record.full {
		if err := f.syncData(c.redo); err != nil {
			return err
		}
	}
	if c.replace {
		return f.replaceMap(c.record)
	}
	return f.appendRecord(c.record, c.record.full)
}

// syncData syncs the slots, after it has written redo again. When an fdatasync fails, the
// kernel may take the pages for clean, and the next one succeed without writing them. The
// same is so if the file was closed meanwhile, since a failure is then reported to nobody.
func (f *File) syncData(redo []victim) error {
	if f.data.doubtful() {
		if err := f.writeAgain(redo); err != nil {
			return err
		}
	}
	if err := f.data.sync("data.sync"); err != nil {
		return fmt.Errorf("sync data: %w", diskError(err))
	}
	f.data.settle()
	return nil
}

// writeAgain writes the same bytes into the same slots, which the captured records protect
// from reuse. A block that does not authenticate any more is an error.
func (f *File) writeAgain(list []victim) error {
	head, err := f.header.marshal()
	if err != nil {
		return err
	}
	if err := f.data.pwrite("data.write", head, 0); err != nil {
		return fmt.Errorf("write header again: %w", diskError(err))
	}
	plain := blockPool.Get().(*block)
	defer putBlock(plain)
	buf := sealedPool.Get().(*sealedBuf)
	defer sealedPool.Put(buf)
	for _, v := range list {
		if err := f.unseal(plain[:], v.i, v.e); err != nil {
			return err
		}
		sealed, err := f.fetch(buf, v.e)
		if err != nil {
			return err
		}
		body := sealed[nonceSize : nonceSize+int(v.e.n)]
		if err := f.data.pwrite("data.write", body, f.slotOffset(v.e.slot)); err != nil {
			return fmt.Errorf("write block %d again: %w", v.i, diskError(err))
		}
	}
	return nil
}

// conclude updates what is known to be on the disk, and returns how many bytes of it are
// free now.
func (f *File) conclude(c *captured, err error) (freed int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.touched.addAll(c.in)
		f.stale = append(c.stale, f.stale...)
		return 0
	}
	f.logged = c.record.size
	f.fast = !c.record.full
	if f.fast {
		f.unsynced.addAll(c.in)
		f.held = append(f.held, f.release(c.stale, inMapFile)...)
	} else {
		f.unsynced = nil
		f.settled = f.settled || c.replace
		f.release(c.stale, onMedium)
		f.release(f.held, onMedium)
		f.held = nil
	}
	return f.punchIdle(maxIdle)
}

// release frees those slots of a list to which the map on disk refers at most as upTo
// tells, and returns those that must stay. The caller holds f.mu.
func (f *File) release(list []uint32, upTo uint8) (stay []uint32) {
	for _, n := range list {
		if f.slots.all[n].durable > upTo {
			stay = append(stay, n)
			continue
		}
		f.slots.all[n].durable = notOnDisk
		f.slots.settle(n)
	}
	return stay
}

// pin keeps descriptor and key past Close, until unpin. The caller of both holds f.mu.
func (f *File) pin() { f.pins++ }

func (f *File) unpin() error {
	f.pins--
	if f.pins > 0 || !f.closed {
		return nil
	}
	f.sealer.Wipe()
	return errors.Join(f.data.close(), f.s.unlinger(f))
}
