package spool

import (
	"container/list"
	"sync"

	"mcfs/crypt"
)

// maxDirty is how many blocks of all files together may wait in memory to be sealed: 4 MiB.
const maxDirty = 128

// dirtyBlock is a block whose newest bytes are in memory only. A slot is reserved for it,
// so that sealing it never lacks space.
type dirtyBlock struct {
	f    *File
	i    int64
	buf  *block
	run  int           // bytes written so far from the block's start, without a gap
	elem *list.Element // in dirtyList
}

// dirtyList has the dirty blocks of all files, the one written longest ago at the back.
type dirtyList struct {
	mu    sync.Mutex
	max   int
	order list.List
	taken int // tickets that blocks in the list and writers have
}

// tickets are what a writer takes before it locks its file. Each is space for one block on
// disk, and the right to keep one more block in memory.
type tickets struct {
	s *Spool
	n int64
}

// take gets one more ticket. If there are too many it seals the oldest dirty block. No
// file's lock is held.
func (t *tickets) take() error {
	if err := t.s.reserve(1); err != nil {
		return err
	}
	if err := t.s.dirty.ticket(); err != nil {
		t.s.release(1)
		return err
	}
	t.n++
	return nil
}

// done gives back what was not used.
func (t *tickets) done() {
	t.s.release(t.n)
	t.s.dirty.giveBack(int(t.n))
}

func (d *dirtyList) ticket() error {
	for {
		d.mu.Lock()
		oldest := d.order.Back()
		if d.taken < d.max || oldest == nil {
			// Without a block to seal, all tickets are with writers, who soon give them back.
			d.taken++
			d.mu.Unlock()
			return nil
		}
		b := oldest.Value.(*dirtyBlock)
		d.mu.Unlock()
		if err := b.f.sealOldest(b); err != nil {
			return err
		}
	}
}

func (d *dirtyList) giveBack(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken -= n
}

func (d *dirtyList) touch(b *dirtyBlock) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b.elem == nil {
		b.elem = d.order.PushFront(b)
		return
	}
	d.order.MoveToFront(b.elem)
}

// remove removes a block and its ticket from the list.
func (d *dirtyList) remove(b *dirtyBlock) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b.elem != nil {
		d.order.Remove(b.elem)
		b.elem = nil
	}
	d.taken--
}

// block is the plaintext of one block. Those in the pool are all zeros.
type block [crypt.BlockSize]byte

var blockPool = sync.Pool{New: func() any { return new(block) }}

// putBlock wipes a block and puts it into the pool.
func putBlock(b *block) {
	clear(b[:])
	blockPool.Put(b)
}

// sealedBuf has room for a sealed block: nonce, ciphertext, tag.
type sealedBuf [crypt.BlockSize + crypt.SealOverhead]byte

var sealedPool = sync.Pool{New: func() any { return new(sealedBuf) }}

// sealOldest seals b, unless another goroutine did meanwhile.
func (f *File) sealOldest(b *dirtyBlock) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dirty[b.i] != b {
		return nil
	}
	return f.sealDirty(b)
}

// sealDirty moves a block from memory to a slot. The caller holds f.mu.
func (f *File) sealDirty(b *dirtyBlock) error {
	n := f.slots.take()
	e, err := f.seal(b.buf[:f.lengthOf(b.i)], b.i, n)
	if err != nil {
		f.spoil(n)
		return err
	}
	f.occupy(e)
	f.install(b.i, e)
	return nil
}

// lengthOf returns how many bytes of block i lie within the file.
func (f *File) lengthOf(i int64) int {
	return int(min(f.size-i*crypt.BlockSize, crypt.BlockSize))
}

// sealAll seals the dirty blocks in [lo, hi), in order. The caller holds f.mu.
func (f *File) sealAll(lo, hi int64) error {
	for _, b := range f.dirtyIn(lo, hi) {
		if err := f.sealDirty(b); err != nil {
			return err
		}
	}
	return nil
}

// forget drops a dirty block without sealing it, since a newer one replaces it or its
// range is gone. The caller holds f.mu.
func (f *File) forget(b *dirtyBlock) {
	delete(f.dirty, b.i)
	f.s.dirty.remove(b)
	f.s.release(1)
	putBlock(b.buf)
}
