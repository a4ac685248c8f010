package spool

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestJournalPowerCut cuts the power before every call by which the journal writes
// transactions, and writes itself anew. What the transactions before had made durable
// is there, whole, or also what this one has.
func TestJournalPowerCut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	disk := newPlatter(dir)
	s, err := disk.on(Options{Dir: dir, MaxSize: MinSize})
	check(t, err)
	defer s.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	var mu sync.Mutex // for all of these: a checkpoint is written by a goroutine of its own
	entries := map[ID]string{}
	paths := func() string { return strings.Join(slices.Sorted(maps.Values(entries)), ",") }
	known, cuts, seen := "", map[string]int{}, map[string]int{}
	disk.watch(func(tag string) {
		mu.Lock()
		defer mu.Unlock()
		if cuts[tag] > 0 && rng.IntN(2) == 0 {
			return
		}
		cuts[tag]++
		switch got := pathsAfter(t, disk.cut(t, rng)); got {
		case known:
			seen["before"]++
		case paths():
			seen["after"]++
		default:
			t.Errorf("before %s: %s, not %s from before nor %s from after", tag, got, known, paths())
		}
	})
	for k := range 120 {
		e := someEntry(fmt.Sprint(k))
		check(t, s.Journal().Update(func(tx *Tx) error {
			mu.Lock()
			defer mu.Unlock()
			for id := range entries {
				if rng.IntN(4) == 0 {
					delete(entries, id)
					check(t, tx.DeleteEntry(id))
				}
			}
			entries[e.ID] = e.Path
			e.Data = text(rng.Uint64(), rng.IntN(100_000))
			return tx.PutEntry(e)
		}))
		mu.Lock()
		known = paths()
		if got := pathsAfter(t, disk.cut(t, rng)); got != known {
			t.Errorf("after an update: %s, not %s", got, known)
		}
		mu.Unlock()
		if t.Failed() {
			t.FailNow()
		}
	}
	disk.watch(nil)
	check(t, s.Close()) // waits for a checkpoint under way, which counts cuts
	for _, tag := range []string{"journal.open", "journal.write", "journal.sync", "journal.rename", "journal.syncdir"} {
		if cuts[tag] == 0 {
			t.Errorf("no cut before %s: %v", tag, cuts)
		}
	}
	if seen["before"] == 0 || seen["after"] == 0 {
		t.Errorf("%v", seen)
	}
}

// pathsAfter lists what a journal has; none of it may have been set aside.
func pathsAfter(t *testing.T, dir string) string {
	t.Helper()
	s, err := Open(Options{Dir: dir, MaxSize: MinSize, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	defer s.Close()
	if s.Rebuilt() {
		t.Fatal("the journal was given up")
	}
	if q, err := s.Quarantined(); err != nil || len(q) > 0 {
		t.Fatalf("a power cut is taken for damage: %+v, %v", q, err)
	}
	list, err := s.Journal().Entries()
	check(t, err)
	var paths []string
	for _, e := range list {
		paths = append(paths, e.Path)
	}
	slices.Sort(paths)
	return strings.Join(paths, ",")
}
