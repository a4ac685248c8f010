package spool

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// model is what a file must look like: plain bytes, and per block whether they are absent.
type model struct {
	data   []byte
	absent map[int64]int // block: how many of its bytes the base, or an upload alone, has
	alone  map[int64]ID  // of them, what an upload alone has

	written int64 // end of the farthest write, cut with the file
}

func (m *model) clone() model {
	return model{data: bytes.Clone(m.data), absent: maps.Clone(m.absent), alone: maps.Clone(m.alone), written: m.written}
}

// here forgets that a block was not.
func (m *model) here(b int64) {
	delete(m.absent, b)
	delete(m.alone, b)
}

// fits reports whether err is what a call says that meets the absent bytes of block b first.
func (m *model) fits(err error, b int64) bool {
	var absent *AbsentError
	var sent *SentError
	if id, ok := m.alone[b]; ok {
		return errors.As(err, &sent) && sent.Upload == id && sent.Offset == b*bs
	}
	return errors.As(err, &absent) && absent.Offset == b*bs
}

// whole reports whether no upload alone has anything, or not the one of that id.
func (m *model) whole(id ID) bool {
	for _, in := range m.alone {
		if id == (ID{}) || in == id {
			return false
		}
	}
	return true
}

func (m *model) landed(id ID) {
	maps.DeleteFunc(m.alone, func(_ int64, in ID) bool { return in == id })
}

// missing is the first block of which [off, off+n) touches absent bytes.
func (m *model) missing(off, n int64) (first int64, some bool) {
	for b, v := range m.absent {
		if off < b*bs+int64(v) && off+n > b*bs && (!some || b < first) {
			first, some = b, true
		}
	}
	return first, some
}

// refuses is the first absent block that a change of [lo, hi) would overwrite in part.
func (m *model) refuses(lo, hi int64) (first int64, some bool) {
	for b, v := range m.absent {
		start := b * bs
		if lo < start+bs && hi > start && !(lo <= start && hi >= start+int64(v)) && (!some || b < first) {
			first, some = b, true
		}
	}
	return first, some
}

func (m *model) resize(size int64) {
	if size < int64(len(m.data)) {
		m.data, m.written = m.data[:size:size], min(m.written, size)
	} else {
		m.data = append(m.data, make([]byte, size-int64(len(m.data)))...)
	}
	for b, v := range m.absent {
		if b*bs >= size {
			m.here(b)
		} else {
			m.absent[b] = int(min(int64(v), size-b*bs))
		}
	}
}

// change puts p at off; blocks it touches are absent no more.
func (m *model) change(p []byte, off int64) {
	m.resize(max(int64(len(m.data)), off+int64(len(p))))
	copy(m.data[off:], p)
	m.written = max(m.written, off+int64(len(p)))
	for b := off / bs; b*bs < off+int64(len(p)); b++ {
		m.here(b)
	}
}

// unsynced waits for no disk: enough where nothing but the process dies.
type unsynced struct{ realSystem }

func (unsynced) sync(string, *os.File) error  { return nil }
func (unsynced) syncDir(string, string) error { return nil }

func (m *machine) checkZero(t *rapid.T, lo, hi int64) {
	if lo >= hi {
		return
	}
	if _, some := m.now.missing(lo, hi-lo); some || len(bytes.Trim(m.now.data[lo:hi], "\x00")) > 0 {
		t.Fatalf("[%d, %d) was called a hole and is none", lo, hi)
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatalf("%v", err)
		}
		s := openSpool(t, dir+"/spool", 64<<20, unsynced{})
		s.dirty.max = 4
		if rapid.Bool().Draw(rt, "few descriptors") {
			s.descriptors.max = 1
		}
		f := create(t, s)
		m := &machine{t: t, s: s, f: f, now: model{absent: map[int64]int{}, alone: map[int64]ID{}}, seed: rand.Uint64()}
		m.synced = m.now.clone()
		defer func() {
			for _, z := range m.frozen {
				z.Release()
			}
			closeAll(s)
			if used, reserved := s.quota.used, s.quota.reserved; reserved != 0 || s.dirty.taken != 0 || used < 0 {
				rt.Fatalf("after close: used %d, reserved %d, tickets %d", used, reserved, s.dirty.taken)
			}
			searchPlain(t, dir)
			os.RemoveAll(dir)
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"write": m.Write, "write2": m.Write, "read": m.Read, "truncate": m.Truncate, "punch": m.Punch,
			"fill": m.Fill, "base": m.SetBase, "evict": m.Evict, "leave": m.Leave, "giveUp": m.GiveUp, "landed": m.Landed, "freeze": m.Freeze, "freezePart": m.FreezePart, "readFrozen": m.ReadFrozen,
			"release": m.Release, "sync": m.Sync, "kill": m.Kill, "seek": m.Seek, "": m.Check,
		})
	})
}
