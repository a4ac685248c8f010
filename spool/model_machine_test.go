package spool

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// machine drives one spool of one file, and the model beside it.
type machine struct {
	t        *testing.T
	s        *Spool
	f        *File
	now      model
	synced   model // what Load must find
	frozen   []*Frozen
	frozenAt []model
	seed     uint64
}

const modelBlocks = 12

func (m *machine) text(n int) []byte {
	m.seed++
	return text(m.seed, n)
}

func (m *machine) offset(t *rapid.T) int64 {
	b := rapid.Int64Range(0, modelBlocks-1).Draw(t, "block") * bs
	return b + rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, bs-1), rapid.SampledFrom([]int64{1, 4096, bs - 1})).Draw(t, "within")
}

func (m *machine) length(t *rapid.T) int64 {
	return rapid.OneOf(rapid.Int64Range(1, 300), rapid.Just(int64(bs)), rapid.Int64Range(1, 3*bs)).Draw(t, "length")
}

func (m *machine) Write(t *rapid.T) {
	off, n := m.offset(t), m.length(t)
	p := m.text(int(n))
	got, err := m.f.WriteAt(p, off)
	if b, refused := m.now.refuses(off, off+n); refused {
		if !m.now.fits(err, b) {
			t.Fatalf("WriteAt(%d, %d): %v, absent %v, alone %v", off, n, err, m.now.absent, m.now.alone)
		}
		return
	}
	if err != nil || got != len(p) {
		t.Fatalf("WriteAt(%d, %d) = %d, %v", off, n, got, err)
	}
	m.now.change(p, off)
}

func (m *machine) Read(t *rapid.T) {
	m.checkRead(t, m.f, m.now, m.offset(t), m.length(t))
}

func (m *machine) checkRead(t *rapid.T, r io.ReaderAt, want model, off, n int64) {
	t.Helper()
	p := bytes.Repeat([]byte{0xee}, int(n))
	got, err := r.ReadAt(p, off)
	size := int64(len(want.data))
	end := min(off+n, size)
	if off >= size {
		if got != 0 || err != io.EOF {
			t.Fatalf("read at %d of %d: %d, %v", off, size, got, err)
		}
		return
	}
	if b, missing := want.missing(off, end-off); missing {
		if !want.fits(err, b) {
			t.Fatalf("read %d+%d of %d: %v; absent %v, alone %v", off, n, size, err, want.absent, want.alone)
		}
		return
	}
	if int64(got) != end-off || (err == io.EOF) != (got < len(p)) || err != nil && err != io.EOF {
		t.Fatalf("read %d+%d of %d: %d, %v", off, n, size, got, err)
	}
	same(t, p[:got], want.data[off:end])
}

func (m *machine) Truncate(t *rapid.T) {
	size := m.offset(t)
	if err := m.f.Truncate(size); err != nil {
		t.Fatalf("truncate: %v", err)
	}
	m.now.resize(size)
}

func (m *machine) Punch(t *rapid.T) {
	off, n := m.offset(t), m.length(t)
	size := int64(len(m.now.data))
	end := min(off+n, size)
	err := m.f.PunchHole(off, n)
	// Bytes after a cut are zeros already: punching only those touches nothing.
	refused, first := false, int64(0)
	for b, v := range m.now.absent {
		lo, hi := max(off, b*bs), min(end, b*bs+int64(v))
		if lo < hi && hi-lo < int64(v) && (!refused || b < first) {
			refused, first = true, b
		}
	}
	if refused && !m.now.fits(err, first) || !refused && err != nil {
		t.Fatalf("punch %d+%d of %d: %v; absent %v, alone %v", off, n, size, err, m.now.absent, m.now.alone)
	}
	if refused || off >= end {
		return
	}
	clear(m.now.data[off:end])
	for b, v := range m.now.absent {
		if off <= b*bs && end >= b*bs+int64(v) {
			m.now.here(b)
		}
	}
}

// Fill fetches the first absent range, as a caller does.
func (m *machine) Fill(t *rapid.T) {
	start, n, ok := m.f.Absent(m.offset(t))
	if !ok {
		return
	}
	p := m.now.data[start : start+n] // absent bytes keep their true value in the model
	if err := m.f.Fill(p, start); err != nil {
		t.Fatalf("fill %d+%d: %v", start, n, err)
	}
	for b := start / bs; b*bs < start+n; b++ {
		if _, alone := m.now.alone[b]; alone {
			t.Fatalf("block %d is in an upload alone, and was called the base's", b)
		}
		delete(m.now.absent, b)
	}
}

// SetBase begins the file anew as a version in the store.
func (m *machine) SetBase(t *rapid.T) {
	m.Truncate0(t)
	size := m.offset(t)
	if err := m.f.SetBase(size); err != nil {
		t.Fatalf("set base: %v", err)
	}
	m.now = model{data: m.text(int(size)), absent: map[int64]int{}, alone: map[int64]ID{}}
	for b := int64(0); b*bs < size; b++ {
		m.now.absent[b] = int(min(size-b*bs, bs))
	}
}

func (m *machine) Truncate0(t *rapid.T) {
	if err := m.f.Truncate(0); err != nil {
		t.Fatalf("truncate: %v", err)
	}
	m.now.resize(0)
}

func (m *machine) Evict(t *rapid.T) {
	lo := rapid.Int64Range(0, modelBlocks).Draw(t, "lo")
	n := rapid.Int64Range(0, 4).Draw(t, "n")
	m.f.SetClean(lo*bs, n*bs)
	m.s.reclaim(rapid.Int64Range(1, 4*bs).Draw(t, "want"))
	m.f.ClearClean(0, -1)
	m.learnEvicted(t, lo, lo+n, ID{})
}

// Leave has the spool drop what an upload is said to have.
func (m *machine) Leave(t *rapid.T) {
	id := ID{1 + byte(rapid.IntRange(0, 2).Draw(t, "upload"))}
	lo := rapid.Int64Range(0, modelBlocks).Draw(t, "lo")
	n := rapid.Int64Range(0, 4).Draw(t, "n")
	want := rapid.Int64Range(1, 4*bs).Draw(t, "want")
	m.f.LeaveTo(id)
	held := rapid.IntRange(0, 3).Draw(t, "held") == 0
	if held {
		if err := m.f.Hold(); (err == nil) != m.now.whole(ID{}) {
			t.Fatalf("hold: %v; alone %v", err, m.now.alone)
		} else if held = err == nil; held {
			defer m.f.Unhold()
		}
	}
	m.f.Sent(ID{99}, 0, -1) // another's, which counts for nothing
	m.f.Sent(id, lo*bs, n*bs)
	m.s.reclaim(want)
	if held {
		m.learnEvicted(t, 0, 0, id)
		m.f.Keep(id) // the hold ends, and what was marked could go in a later step
		return
	}
	m.learnEvicted(t, lo, lo+n, id)
	m.f.Keep(id)
	m.s.reclaim(want)
	m.learnEvicted(t, 0, 0, id)
}

// GiveUp is refused as long as anything is only there, in the file or in a view.
func (m *machine) GiveUp(t *rapid.T) {
	id := ID{1 + byte(rapid.IntRange(0, 2).Draw(t, "upload"))}
	var dropping *Frozen
	if len(m.frozen) > 0 && rapid.Bool().Draw(t, "dropping") {
		dropping = m.frozen[0]
	}
	whole, everywhere := m.now.whole(id), m.now.whole(ID{})
	for k := range m.frozen {
		whole = whole && (m.frozen[k] == dropping || m.frozenAt[k].whole(id))
		everywhere = everywhere && m.frozenAt[k].whole(ID{})
	}
	if err := m.f.GiveUp(id, dropping); (err == nil) != whole {
		t.Fatalf("give up %v: %v; alone %v", id, err, m.now.alone)
	}
	if err := m.f.Whole(); (err == nil) != m.now.whole(ID{}) {
		t.Fatalf("whole: %v; alone %v", err, m.now.alone)
	}
	if err := m.f.WholeEverywhere(); (err == nil) != everywhere {
		t.Fatalf("whole everywhere: %v; alone %v", err, m.now.alone)
	}
}

// Landed makes an upload's object the base.
func (m *machine) Landed(t *rapid.T) {
	id := ID{1 + byte(rapid.IntRange(0, 2).Draw(t, "upload"))}
	m.f.Landed(id)
	m.now.landed(id)
	for k := range m.frozenAt {
		m.frozenAt[k].landed(id)
	}
}

// learnEvicted finds what became absent: only stored blocks of the range may. id is
// the upload that alone has them; zero: the base does.
func (m *machine) learnEvicted(t *rapid.T, lo, hi int64, id ID) {
	for b := int64(0); b*bs < m.f.Size(); b++ {
		where, v := m.blockOf(m.f, b)
		old, known := m.now.absent[b]
		switch {
		case where == blockHere && !known:
			continue
		case known && (where == blockHere || old != v || where != m.now.alone[b]):
			t.Fatalf("block %d: %d bytes of it are in %v, want %d in %v", b, v, where, old, m.now.alone[b])
		case known:
			continue
		case b < lo || b >= hi || where != id:
			t.Fatalf("block %d is in %v, and was not to go there", b, where)
		}
		m.now.absent[b] = v
		if id != (ID{}) {
			m.now.alone[b] = id
		}
		if tail := m.now.data[b*bs+int64(v) : min(int64(len(m.now.data)), (b+1)*bs)]; len(bytes.Trim(tail, "\x00")) > 0 {
			t.Fatalf("block %d: the evicted range ends before its data", b)
		}
		// A map on disk that named the block knows that it is gone.
		m.markSyncedEvicted(b)
	}
}

// blockHere stands for the spool, beside the ids of uploads and the zero id of the base.
var blockHere = ID{0xff}

// blockOf is where block b is, and how many of its bytes count if it is not here.
func (m *machine) blockOf(f *File, b int64) (where ID, bytes int) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if !f.table.absent.has(b) {
		return blockHere, 0
	}
	if s, up, ok := f.table.sent.next(b, ID{}); ok && s.lo == b {
		where = up.id
	}
	return where, int(min(int64(f.table.valid(b)), f.size-b*bs))
}

// markSyncedEvicted: the synced state may have lost the block too, which Load tells.
func (m *machine) markSyncedEvicted(b int64) {
	if m.synced.absent == nil {
		return
	}
	if _, ok := m.synced.absent[b]; !ok && b*bs < int64(len(m.synced.data)) {
		m.synced.absent[b] = -1
	}
}

func (m *machine) Freeze(t *rapid.T) {
	if len(m.frozen) >= 3 {
		return
	}
	z, err := m.f.Freeze(0, -1)
	if err != nil {
		t.Fatalf("freeze: %v", err)
	}
	m.frozen, m.frozenAt = append(m.frozen, z), append(m.frozenAt, m.now.clone())
}

// FreezePart freezes a range, which the file must have whole.
func (m *machine) FreezePart(t *rapid.T) {
	off, n := m.offset(t), m.length(t)
	z, err := m.f.Freeze(off, n)
	if short := off+n > int64(len(m.now.data)); short != errors.Is(err, ErrShort) || !short && err != nil {
		t.Fatalf("freeze %d+%d of %d bytes: %v", off, n, len(m.now.data), err)
	}
	if err != nil {
		return
	}
	m.checkRead(t, z, m.now, off, n)
	z.Release()
}

func (m *machine) ReadFrozen(t *rapid.T) {
	for k, z := range m.frozen {
		m.checkRead(t, z, m.frozenAt[k], m.offset(t), m.length(t))
	}
}

func (m *machine) Release(t *rapid.T) {
	if len(m.frozen) == 0 {
		return
	}
	k := rapid.IntRange(0, len(m.frozen)-1).Draw(t, "view")
	m.checkRead(t, m.frozen[k], m.frozenAt[k], 0, modelBlocks*bs)
	m.frozen[k].Release()
	m.frozen, m.frozenAt = slices.Delete(m.frozen, k, k+1), slices.Delete(m.frozenAt, k, k+1)
}

func (m *machine) Sync(t *rapid.T) {
	if err := m.f.Sync(rapid.Bool().Draw(t, "fast")); err != nil {
		t.Fatalf("sync: %v", err)
	}
	m.synced = m.now.clone()
}

// Kill drops everything in memory and loads what the disk has.
func (m *machine) Kill(t *rapid.T) {
	for _, z := range m.frozen {
		z.Release()
	}
	m.frozen, m.frozenAt = nil, nil
	if err := m.f.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	f, err := m.s.Load(m.f.id, testKey)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	m.f, m.now = f, m.synced.clone()
	m.now.written = 0 // nobody has written to it since
	for b, v := range m.now.absent {
		if v >= 0 {
			continue
		}
		m.now.here(b)
		if where, n := m.blockOf(f, b); where != blockHere {
			m.now.absent[b] = n
			if where != (ID{}) {
				m.now.alone[b] = where
			}
		}
	}
	m.synced = m.now.clone()
}

func (m *machine) Seek(t *rapid.T) {
	off := m.offset(t)
	if at, ok := m.f.Data(off); !ok {
		at = int64(len(m.now.data))
		m.checkZero(t, off, at)
	} else {
		if at < off {
			t.Fatalf("Data(%d) = %d", off, at)
		}
		m.checkZero(t, off, at)
	}
	hole := m.f.Hole(off)
	if size := int64(len(m.now.data)); hole < size {
		m.checkZero(t, hole, min(size, (hole/bs+1)*bs))
	}
}

// Check holds after every step: the whole content, the absent ranges, the count of the disk's bytes.
func (m *machine) Check(t *rapid.T) {
	if m.f.Size() != int64(len(m.now.data)) {
		t.Fatalf("size %d, want %d", m.f.Size(), len(m.now.data))
	}
	if m.f.Written() != m.now.written {
		t.Fatalf("written up to %d, want %d", m.f.Written(), m.now.written)
	}
	for b := int64(0); b*bs < m.f.Size(); b++ {
		m.checkRead(t, m.f, m.now, b*bs, bs)
	}
	m.f.mu.RLock()
	defer m.f.mu.RUnlock()
	checkSlots(t, m.f)
}
