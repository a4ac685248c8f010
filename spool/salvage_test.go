package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// unwrapTest gives the test's key for what the test's headers name.
func unwrapTest(wrapped []byte, keyID string) ([]byte, error) {
	if string(wrapped) != "wrapped" || keyID != "local:1" {
		return nil, fmt.Errorf("asked for %q of %s", wrapped, keyID)
	}
	return bytes.Clone(testKey), nil
}

// quarantined is a file of content with a hole and a stretch that is absent, in quarantine.
func quarantined(t *testing.T, s *Spool) (Quarantined, []byte) {
	t.Helper()
	f := create(t, s)
	p := text(3, 10*bs+100)
	write(t, f, p, 0)
	check(t, f.PunchHole(2*bs, 2*bs))
	clear(p[2*bs : 4*bs])
	check(t, s.Journal().Update(func(tx *Tx) error {
		return tx.PutEntry(Entry{ID: f.ID(), Path: "now/called", Wrapped: []byte("wrapped"), KeyID: "local:1", Size: f.Size()})
	}))
	check(t, s.Quarantine(f.ID(), "the test says so")) // which syncs it
	check(t, f.Close())
	q, err := FindQuarantined(s.dir, f.ID().String())
	check(t, err)
	return q, p
}

// salvage reads what can be read, zeros elsewhere.
func salvage(t *testing.T, q Quarantined) (*Salvage, []byte, Lacks, error) {
	t.Helper()
	v, err := OpenSalvage(q, unwrapTest)
	if err != nil {
		return nil, nil, Lacks{}, err
	}
	defer v.Close()
	got, last := make([]byte, v.Size), int64(-1)
	l, err := v.Read(func(p []byte, off int64) error {
		if off <= last {
			t.Errorf("%d comes after %d", off, last)
		}
		last = off
		copy(got[off:], p)
		return nil
	})
	check(t, err)
	return v, got, l, nil
}

// salvageCase is what is done to a file in quarantine, and what of it can be read then.
type salvageCase struct {
	name     string
	damage   func(q Quarantined)
	nothing  bool
	headless bool
	torn     bool
	lacks    []Range
}

func (c salvageCase) check(t *testing.T) {
	s := newSpool(t, 64<<20)
	q, want := quarantined(t, s)
	if q.Path != "now/called" || q.Size != int64(len(want)) || q.Why != "the test says so" {
		t.Errorf("the note says %+v", q)
	}
	c.damage(q)
	q, err := FindQuarantined(s.dir, q.ID)
	check(t, err)
	v, got, l, err := salvage(t, q)
	if c.nothing {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("it opens: %v", err)
		}
		return
	}
	check(t, err)
	if v.Headless != c.headless || v.Torn != c.torn {
		t.Errorf("headless %t, torn %t", v.Headless, v.Torn)
	}
	for _, r := range c.lacks {
		clear(want[r.Offset : r.Offset+r.Length])
	}
	same(t, got, want)
	if fmt.Sprint(l.Damaged) != fmt.Sprint(c.lacks) || len(l.Base)+len(l.Sent) > 0 {
		t.Errorf("lacks %+v, want %v", l, c.lacks)
	}
}

// TestSalvage: what of a file in quarantine authenticates is read, also where header, map
// or blocks are damaged; what is missing is told, and where nothing can be read that is.
func TestSalvage(t *testing.T) {
	spoil := func(path string, how func([]byte) []byte) {
		b, err := os.ReadFile(path)
		check(t, err)
		check(t, os.WriteFile(path, how(b), 0o600))
	}
	for _, c := range []salvageCase{
		{name: "whole", damage: func(Quarantined) {}},
		{name: "a flipped bit", damage: func(q Quarantined) {
			spoil(q.File, func(b []byte) []byte { b[headerUnit+bs+7] ^= 1; return b })
		}, lacks: []Range{{bs, bs}}},
		{name: "two neighbours zeroed", damage: func(q Quarantined) {
			spoil(q.File, func(b []byte) []byte { clear(b[headerUnit+5*bs : headerUnit+7*bs]); return b })
		}, lacks: []Range{{5 * bs, 2 * bs}}},
		{name: "cut short", damage: func(q Quarantined) { check(t, os.Truncate(q.File, headerUnit+9*bs+10)) }, lacks: []Range{{9 * bs, bs}}}, // the last block took the place of what was punched
		{name: "a damaged header, which the note makes up for", damage: func(q Quarantined) {
			spoil(q.File, func(b []byte) []byte { clear(b[:headerUnit]); return b })
		}, headless: true},
		{name: "a damaged header without a note", damage: func(q Quarantined) {
			spoil(q.File, func(b []byte) []byte { clear(b[:headerUnit]); return b })
			check(t, os.Remove(q.File+noteSuffix))
		}, nothing: true},
		{name: "an end of the map that does not authenticate", damage: func(q Quarantined) {
			spoil(q.File+mapSuffix, func(b []byte) []byte { return append(b, bytes.Repeat([]byte{9}, 600)...) })
		}, torn: true},
		{name: "a damaged map", damage: func(q Quarantined) {
			spoil(q.File+mapSuffix, func(b []byte) []byte { b[mapHead+frameHead+3] ^= 1; return b })
		}, nothing: true},
		{name: "no map", damage: func(q Quarantined) { check(t, os.Remove(q.File+mapSuffix)) }, nothing: true},
		{name: "no byte", damage: func(q Quarantined) {
			check(t, os.Truncate(q.File, 0))
			check(t, os.Remove(q.File+noteSuffix))
		}, nothing: true},
		{name: "no file", damage: func(q Quarantined) { check(t, os.Remove(q.File)) }, nothing: true},
	} {
		t.Run(c.name, c.check)
	}
}

// TestSalvageAbsent: what the spool never had of a file is told apart from damage.
func TestSalvageAbsent(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	check(t, f.SetBase(5*bs+50))
	write(t, f, text(4, bs), 2*bs)
	check(t, s.Quarantine(f.ID(), "why"))
	check(t, f.Close())
	q, err := FindQuarantined(s.dir, f.ID().String())
	check(t, err)
	_, got, l, err := salvage(t, q)
	check(t, err)
	if fmt.Sprint(l.Base) != fmt.Sprint([]Range{{0, 2 * bs}, {3 * bs, 2*bs + 50}}) || len(l.Damaged)+len(l.Sent) > 0 {
		t.Errorf("%+v", l)
	}
	same(t, got[2*bs:3*bs], text(4, bs))
	if q.Path != "a/b "+marker {
		t.Errorf("path %q", q.Path)
	}
}

// TestSalvageSent: so is what only an upload has.
func TestSalvageSent(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	write(t, f, text(5, 4*bs), 0)
	check(t, f.Sync(false))
	up := NewID()
	f.LeaveTo(up)
	f.Sent(up, bs, 2*bs)
	s.reclaim(2 * bs)
	check(t, s.Quarantine(f.ID(), "why"))
	check(t, f.Close())
	q, err := FindQuarantined(s.dir, f.ID().String())
	check(t, err)
	_, got, l, err := salvage(t, q)
	check(t, err)
	if fmt.Sprint(l.Sent) != fmt.Sprint([]Range{{bs, 2 * bs}}) || len(l.Damaged)+len(l.Base) > 0 {
		t.Errorf("%+v", l)
	}
	same(t, got[3*bs:], text(5, 4*bs)[3*bs:])
}

// TestReinstate: a file comes back as it was; until it is removed from quarantine that can
// be repeated, and afterwards another copy of it cannot take its place.
func TestReinstate(t *testing.T) {
	s := newSpool(t, 64<<20)
	q, want := quarantined(t, s)
	for range 2 {
		if _, err := s.Reinstate(q); err != nil {
			t.Fatal(err)
		}
	}
	f := load(t, s, mustID(t, q))
	same(t, readFile(t, f), want)
	if _, err := s.Reinstate(q); !errors.Is(err, ErrReinstated) {
		t.Errorf("while it is open: %v", err)
	}
	check(t, q.Remove())
	if list, err := s.Quarantined(); err != nil || len(list) > 0 {
		t.Errorf("%+v, %v", list, err)
	}
	check(t, f.Close())
	copied := filepath.Join(s.dir, quarantineName, q.ID)
	check(t, os.WriteFile(copied, []byte("another"), 0o600))
	if _, err := s.Reinstate(q); !errors.Is(err, ErrReinstated) {
		t.Errorf("over one that is there: %v", err)
	}
	same(t, readFile(t, load(t, s, f.ID())), want)
}

func mustID(t *testing.T, q Quarantined) ID {
	t.Helper()
	id, err := q.sealedID()
	check(t, err)
	return id
}

// TestFindQuarantined: by the whole id, its beginning or its end, where that is one's alone.
func TestFindQuarantined(t *testing.T) {
	s := newSpool(t, 64<<20)
	a, _ := quarantined(t, s)
	b, _ := quarantined(t, s)
	for id, want := range map[string]string{
		a.ID: a.ID, b.ID: b.ID, mustID(t, a).String(): a.ID, b.ID[:len(b.ID)-3]: b.ID, "2": "", "": "", "none": "",
	} {
		q, err := FindQuarantined(s.dir, id)
		if q.ID != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrNoneSuch) {
			t.Errorf("%q finds %q, %v", id, q.ID, err)
		}
	}
}
