package spool

import (
	"fmt"
	"sync"

	"mcfs/crypt"
)

// maxRun is how many blocks in neighbouring slots are written or read with one system
// call: the 128 KiB of one request of the kernel.
const maxRun = 128 << 10 / crypt.BlockSize

// runBuf has room for the ciphertext of a run, a nonce before it and a tag after it. Each
// block is sealed and opened in place: meanwhile its nonce and tag replace bytes of its
// neighbours.
type runBuf [nonceSize + maxRun*crypt.BlockSize + tagSize]byte

var runPool = sync.Pool{New: func() any { return new(runBuf) }}

// sealRun seals blocks i, i+1, …, of which only the last may be short, into slots n, n+1,
// …, and appends their entries to list. It does not change the file's state and needs no
// lock. After an error some of it may be in the slots.
func (f *File) sealRun(list []entry, plain []byte, i int64, n uint32) ([]entry, error) {
	buf := runPool.Get().(*runBuf)
	defer runPool.Put(buf)
	first := len(list)
	for at := 0; at < len(plain); at += crypt.BlockSize {
		k := len(list) - first
		part := plain[at:min(len(plain), at+crypt.BlockSize)]
		before := [nonceSize]byte(buf[at:])
		sealed := f.sealer.SealBlock(buf[:at], part, uint64(i)+uint64(k), n+uint32(k))[at:]
		e := entry{slot: n + uint32(k), n: uint32(len(part))}
		copy(e.nonce[:], sealed)
		copy(e.tag[:], sealed[nonceSize+len(part):])
		copy(buf[at:], before[:])
		list = append(list, e)
	}
	if err := f.data.pwrite("data.write", buf[nonceSize:nonceSize+len(plain)], f.slotOffset(n)); err != nil {
		return list[:first], fmt.Errorf("write block %d of %s: %w", i, f.id, diskError(err))
	}
	return list, nil
}

// neighbours returns how many of the slots, from the first on, make a run.
func neighbours(list []uint32) int {
	n := 1
	for n < min(len(list), maxRun) && list[n] == list[n-1]+1 {
		n++
	}
	return n
}

// runAt returns the run of whole stored blocks that begins with block i and takes at most
// room bytes; nothing if it is shorter than two blocks. Blocks that are dirty end it.
func runAt(t *table, dirty map[int64]*dirtyBlock, i int64, room int) []entry {
	most := min(room/crypt.BlockSize, maxRun)
	if most < 2 {
		return nil
	}
	list := make([]entry, 0, maxRun)
	for k := range most {
		e, ok := t.get(i + int64(k))
		if !ok || dirty[i+int64(k)] != nil || e.n != crypt.BlockSize || t.valid(i+int64(k)) != crypt.BlockSize || k > 0 && e.slot != list[k-1].slot+1 {
			break
		}
		list = append(list, e)
	}
	if len(list) < 2 {
		return nil
	}
	return list
}

// unsealRun reads a run from block i on into out, which is as long. After an error out is
// all zeros.
func (f *File) unsealRun(out []byte, i int64, list []entry) (err error) {
	buf := runPool.Get().(*runBuf)
	defer runPool.Put(buf)
	defer func() {
		if err != nil {
			clear(out)
			err = fmt.Errorf("read block %d of %s: %w", i, f.id, err)
		}
	}()
	if err := f.data.readFull("data.read", buf[nonceSize:nonceSize+len(out)], f.slotOffset(list[0].slot)); err != nil {
		return err
	}
	for k, e := range list {
		at := k * crypt.BlockSize
		end := at + nonceSize + crypt.BlockSize
		after := [tagSize]byte(buf[end:])
		copy(buf[at:], e.nonce[:])
		copy(buf[end:], e.tag[:])
		part := out[at : at : at+crypt.BlockSize]
		opened, err := f.sealer.OpenBlock(part, buf[at:end+tagSize], uint64(i)+uint64(k), e.slot)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		if &opened[0] != &out[at] { // only if out were too small
			copy(out[at:], opened)
		}
		copy(buf[end:], after[:])
	}
	return nil
}
