package spool

import (
	"bytes"
	"testing"

	"mcfs/crypt"
)

// seeds adds them and fails if there are none.
func seeds(f *testing.F, list ...[]byte) {
	if len(list) == 0 {
		f.Fatal("no seeds")
	}
	for _, b := range list {
		f.Add(b)
	}
}

func FuzzHeader(f *testing.F) {
	h := diskHeader{Header: Header{ID: NewID(), Wrapped: []byte("w"), KeyID: "k"}, sealedPath: []byte("sealed")}
	whole, err := h.marshal()
	if err != nil {
		f.Fatal(err)
	}
	seeds(f, whole, whole[:100], bytes.Repeat([]byte{0xff}, headerUnit))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b)
		if err != nil {
			return
		}
		again, err := h.marshal()
		if err != nil {
			t.Fatal(err)
		}
		// Only the padding may differ.
		if h2, err := parseHeader(again); err != nil || h2.ID != h.ID || h2.KeyID != h.KeyID ||
			!bytes.Equal(h2.Wrapped, h.Wrapped) || !bytes.Equal(h2.sealedPath, h.sealedPath) {
			t.Fatalf("%+v came back as %+v, %v", h, h2, err)
		}
	})
}

func someTable() table {
	t := newTable()
	t.setAbsent(3, 900, func(int64, entry) {})
	for i := int64(0); i < 600; i += 1 + i%3 {
		t.put(i, entry{slot: uint32(i*7) % 1000, n: uint32(1+i*100) % bs, nonce: [12]byte{1}, tag: [16]byte{2}})
	}
	t.sent.add(&upload{id: ID{9}}, 880, 890)
	t.cut(899, 10)
	t.cut(300, 5)
	return t
}

func FuzzRecord(f *testing.F) {
	t1 := someTable()
	snapshot := record{kind: recordSnapshot, full: true, size: 1000 * bs, runs: appendRuns(nil, &t1, ranges{{0, endOfBlocks}})}
	delta := record{kind: recordDelta, size: 5, runs: appendRuns(nil, &t1, ranges{{2, 9}, {298, 302}})}
	evicted := record{kind: recordEvicted, runs: appendEvicted(nil, 4, []uint32{1, 28, 3}, nil)}
	left := record{kind: recordEvicted, runs: appendEvicted(nil, 4, []uint32{1, 28, 3}, &upload{id: ID{8}})}
	seeds(f, snapshot.marshal(), delta.marshal(), evicted.marshal(), left.marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			return
		}
		if len(r.runs) > 4096 {
			return
		}
		got := someTable()
		if r.apply(&got) != nil {
			return
		}
		// What was understood can be written and understood again.
		again := record{kind: recordSnapshot, size: r.size, runs: appendRuns(nil, &got, ranges{{0, endOfBlocks}})}
		back := newTable()
		if err := again.apply(&back); err != nil {
			t.Fatal(err)
		}
		equalTables(t, &got, &back)
	})
}

func equalTables(t fatal, a, b *table) {
	t.Helper()
	if a.stored != b.stored || len(a.absent) != len(b.absent) || len(a.cuts) != len(b.cuts) || len(a.sent) != len(b.sent) {
		t.Fatalf("%d stored, %v, %v; %d stored, %v, %v", a.stored, a.absent, a.cuts, b.stored, b.absent, b.cuts)
	}
	a.each(0, endOfBlocks, func(i int64, e entry) bool {
		if got, _ := b.get(i); got != e {
			t.Fatalf("block %d: %+v, %+v", i, e, got)
		}
		return true
	})
	for k := range a.absent {
		if a.absent[k] != b.absent[k] {
			t.Fatalf("absent %v, %v", a.absent, b.absent)
		}
	}
	for i, n := range a.cuts {
		if b.cuts[i] != n {
			t.Fatalf("cuts %v, %v", a.cuts, b.cuts)
		}
	}
}

func FuzzMapFile(f *testing.F) {
	sealer, err := crypt.NewSealer(testKey, [16]byte{1})
	if err != nil {
		f.Fatal(err)
	}
	t1 := someTable()
	one, err := newMapFile(sealer, record{kind: recordSnapshot, full: true, size: 1000 * bs, runs: appendRuns(nil, &t1, ranges{{0, endOfBlocks}})}, 4)
	if err != nil {
		f.Fatal(err)
	}
	two, err := appendFrame(bytes.Clone(one), sealer, record{kind: recordDelta, full: true}, 5)
	if err != nil {
		f.Fatal(err)
	}
	seeds(f, one, two, two[:len(two)-9], []byte(mapMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMap(b, sealer)
		if err != nil {
			return
		}
		if m.end > int64(len(b)) || m.torn != (m.end < int64(len(b))) || len(m.records) == 0 {
			t.Fatalf("end %d of %d, torn %v, %d records", m.end, len(b), m.torn, len(m.records))
		}
	})
}

// FuzzNote: a note in quarantine, which `mcfs status` shows.
func FuzzNote(f *testing.F) {
	seeds(f, []byte("a\na.map\nmoved here at 2026-01-02T03:04:05Z, because:\nit is broken\n"), []byte("\nmoved here at , because:\n"), []byte("?"))
	f.Fuzz(func(t *testing.T, note []byte) {
		q := Quarantined{Why: "none"}
		q.read(string(note))
		if bytes.ContainsRune([]byte(q.Why), '\n') {
			t.Fatalf("%q", q.Why)
		}
	})
}
