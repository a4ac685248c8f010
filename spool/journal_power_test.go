package spool

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestJournalPowerCut cuts the power in the middle of transactions. bbolt writes
// pages, syncs, writes one of its two metas, and syncs: so any of the pages may be
// there without the meta, and of the meta any sector once all pages are. What the
// transaction before had made durable is there, whole, or what this one has.
func TestJournalPowerCut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := openSpool(t, dir, MinSize, realSystem{})
	defer s.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	image := func() []byte {
		b, err := os.ReadFile(filepath.Join(dir, journalName))
		check(t, err)
		return b
	}
	entries := map[ID]Entry{}
	before, known := image(), 0
	for range 60 {
		e := someEntry(fmt.Sprint(rng.Uint64()))
		check(t, s.Journal().Update(func(tx *Tx) error {
			for id := range entries {
				if rng.IntN(4) == 0 {
					if err := tx.DeleteEntry(id); err != nil {
						return err
					}
					delete(entries, id)
				}
			}
			entries[e.ID] = e
			return tx.PutEntry(e)
		}))
		after := image()
		for _, committed := range []bool{false, true} {
			got := entriesAfter(t, tornJournal(rng, before, after, committed))
			if got != known && got != len(entries) || !committed && got != known {
				t.Fatalf("%d entries, not the %d from before nor the %d from after (committed %v)", got, known, len(entries), committed)
			}
		}
		before, known = after, len(entries)
	}
}

// tornJournal is a transaction that has come as far as its meta, or not so far.
func tornJournal(rng *rand.Rand, before, after []byte, committed bool) []byte {
	page := os.Getpagesize()
	b := bytes.Clone(after)
	lo, hi, span := 2*page, len(b), page
	if committed {
		lo, hi, span = 0, 2*page, sectorSize
	} else {
		copy(b[:2*page], before)
	}
	for at := lo; at < hi && at < len(before); at += span {
		if rng.IntN(2) == 0 {
			copy(b[at:at+span], before[at:])
		}
	}
	return b
}

// entriesAfter counts what a journal has; none of it may have been set aside.
func entriesAfter(t *testing.T, journal []byte) int {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "spool")
	check(t, os.Mkdir(dir, 0o700))
	check(t, os.WriteFile(filepath.Join(dir, journalName), journal, 0o600))
	s, err := Open(Options{Dir: dir, MaxSize: MinSize, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	defer s.Close()
	if s.Rebuilt() {
		t.Fatal("the journal was given up")
	}
	list, err := s.Journal().Entries()
	check(t, err)
	return len(list)
}
