package journal

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// model is a journal, and what must be in it.
type model struct {
	t       *testing.T
	dir     string
	disk    *testDisk
	j       *Journal
	rng     *rand.Rand
	entries map[ID]string
	changes map[uint64]string
	ids     []ID
}

func newModel(t *testing.T) *model {
	m := &model{t: t, dir: filepath.Join(t.TempDir(), "journal"), disk: &testDisk{}, rng: rand.New(rand.NewPCG(1, 2)), entries: map[ID]string{}, changes: map[uint64]string{}}
	m.j = openOn(t, m.dir, m.disk)
	return m
}

// step makes one transaction of some puts and deletes.
func (m *model) step(size int) error {
	entries, changes, ids := maps.Clone(m.entries), maps.Clone(m.changes), slices.Clone(m.ids)
	err := m.j.Update(func(tx *Tx) error {
		for range 1 + m.rng.IntN(5) {
			if len(ids) > 0 && m.rng.IntN(3) > 0 {
				k := m.rng.IntN(len(ids))
				check(m.t, tx.DeleteEntry(ids[k]))
				delete(entries, ids[k])
				ids[k] = ids[len(ids)-1]
				ids = ids[:len(ids)-1]
			}
			e := someEntry(strings.Repeat("x", m.rng.IntN(size)))
			check(m.t, tx.PutEntry(e))
			entries[e.ID], ids = e.Path, append(ids, e.ID)
			seq, err := tx.AddChange(Change{Op: "x", Path: e.Path})
			check(m.t, err)
			changes[seq] = e.Path
			for old := range changes {
				if m.rng.IntN(3) > 0 {
					check(m.t, tx.DeleteChange(old))
					delete(changes, old)
				}
			}
		}
		return nil
	})
	if err == nil {
		m.entries, m.changes, m.ids = entries, changes, ids
	}
	return err
}

// holds demands that a journal has what it must, and no doubt.
func (m *model) holds(j *Journal, when string) {
	m.t.Helper()
	list, err := j.Entries()
	check(m.t, err)
	entries := map[ID]string{}
	for _, e := range list {
		entries[e.ID] = e.Path
	}
	queue, err := j.Changes()
	check(m.t, err)
	changes := map[uint64]string{}
	for _, c := range queue {
		changes[c.Seq] = c.Path
	}
	if !maps.Equal(entries, m.entries) || !maps.Equal(changes, m.changes) || j.Rebuilt() {
		m.t.Fatalf("%s: %d entries and %d changes, not %d and %d, or others; rebuilt %v", when, len(entries), len(changes), len(m.entries), len(m.changes), j.Rebuilt())
	}
}

func (m *model) size() int64 {
	fi, err := os.Stat(filepath.Join(m.dir, logName))
	check(m.t, err)
	return fi.Size()
}

// TestJournalRandomChanges changes a journal at random, in values of all lengths, and reopens
// it again and again, closed or killed: what was written is never taken for damage.
func TestJournalRandomChanges(t *testing.T) {
	m := newModel(t)
	for round := range 15 {
		for range 20 {
			check(t, m.step(3000))
		}
		j := killed(t, m.dir)
		m.holds(j, fmt.Sprint("killed in round ", round))
		check(t, j.Close())
		if round%3 == 0 {
			check(t, m.j.Close())
			m.j = openOn(t, m.dir, m.disk)
			m.holds(m.j, fmt.Sprint("closed in round ", round))
		}
	}
	check(t, m.j.Close())
}

// TestCheckpoint: however much is put and deleted, the log stays near to what is left; and a
// clean end leaves nothing else in it.
func TestCheckpoint(t *testing.T) {
	m := newModel(t)
	var most int64
	for range 500 {
		check(t, m.step(6000))
		most = max(most, m.size())
	}
	if limit := int64(8 << 20); most > limit {
		t.Errorf("the log was %d bytes long", most)
	}
	m.holds(m.j, "at the end")
	check(t, m.j.Close())
	m.j = openOn(t, m.dir, m.disk)
	m.holds(m.j, "reopened")
	if live := m.j.state.size(); m.j.log.end > firstFrame+live+live/2 {
		t.Errorf("%d bytes for %d", m.j.log.end, live)
	}
	check(t, m.j.Close())
}

// TestCheckpointFails: while nothing of a new log can be written, the old one is used, and
// nothing is lost; when there is room again, the log is written anew.
func TestCheckpointFails(t *testing.T) {
	for _, bad := range []string{"open", "write", "sync", "rename"} {
		m := newModel(t)
		m.disk.set(func(call, path string) error {
			if call == bad && path == newName {
				return errFull
			}
			return nil
		})
		for m.size() < 3<<20 {
			check(t, m.step(20_000))
		}
		j := killed(t, m.dir)
		m.holds(j, bad+" failed")
		check(t, j.Close())
		if left, _ := filepath.Glob(filepath.Join(m.dir, newName)); bad != "open" && m.j.Flush() == nil && len(left) > 1 {
			t.Errorf("%v is left", left)
		}
		m.disk.set(nil)
		grown := m.size()
		for m.size() >= grown {
			check(t, m.step(10_000))
			if m.size() > grown+4*slack {
				t.Fatalf("%s: the log is never written anew", bad)
			}
		}
		m.holds(m.j, "written anew after "+bad)
		check(t, m.j.Close())
	}
}

// TestNamesNotSynced: a log whose name may not be on the disk promises nothing. The next
// transaction brings another there, or fails.
func TestNamesNotSynced(t *testing.T) {
	m := newModel(t)
	m.disk.set(func(call, _ string) error {
		if call == "syncdir" {
			return errFull
		}
		return nil
	})
	failed := false
	for range 3000 {
		if err := m.step(10_000); err != nil {
			failed = true
			break
		}
	}
	if !failed {
		t.Error("transactions go on in a log that a power cut may take away")
	}
	m.disk.set(nil)
	check(t, m.step(10_000))
	m.holds(m.j, "afterwards")
	check(t, m.j.Close())
}

// TestFailedWrites: a transaction whose write or sync fails has not happened, and does not
// come back after a kill. What is behind it on the disk is never written over.
func TestFailedWrites(t *testing.T) {
	for _, bad := range []string{"write", "sync"} {
		m := newModel(t)
		for round := range 30 {
			check(t, m.step(1000))
			m.disk.set(func(call, path string) error {
				if call == bad && path == logName || call == "open" && path == newName && round%2 == 0 {
					return errFull
				}
				return nil
			})
			for range 1 + (round+1)%2 { // without a new log the next one fails, too
				if err := m.step(1000); !errors.Is(err, errFull) {
					t.Fatalf("%s fails, and the update says %v", bad, err)
				}
			}
			m.holds(m.j, bad+" failed")
			m.disk.set(nil)
			if round%2 == 0 {
				check(t, m.step(1000))
			}
			j := killed(t, m.dir)
			m.holds(j, "killed after "+bad+" had failed")
			check(t, j.Close())
		}
		check(t, m.j.Close())
	}
}

// TestFullDisk: on a full disk the log has room for what ends work.
func TestFullDisk(t *testing.T) {
	m := newModel(t)
	for range 50 {
		check(t, m.step(1000))
	}
	m.disk.full.Store(m.size())
	defer m.disk.full.Store(0)
	deleted := 0
	for { // deletes, which end work
		if err := m.j.Update(func(tx *Tx) error { return tx.DeleteEntry(NewID()) }); err != nil {
			if !errors.Is(err, errFull) {
				t.Fatal(err)
			}
			break
		}
		deleted++
	}
	if deleted < 200 {
		t.Errorf("only %d deletes found room on a full disk", deleted)
	}
	m.disk.full.Store(0)
	check(t, m.step(1000))
	m.holds(m.j, "with room again")
	check(t, m.j.Close())
}

// TestManyEntries: with 100,000 entries, opening takes little, and no transaction waits long
// for a checkpoint.
func TestManyEntries(t *testing.T) {
	const many = 100_000
	dir := filepath.Join(t.TempDir(), "journal")
	j := open(t, dir)
	ids := make([]ID, many)
	for k := range ids {
		ids[k] = NewID()
	}
	put := func(ids []ID, size int) error {
		return j.Update(func(tx *Tx) error {
			for _, id := range ids {
				if err := tx.put(bucketEntries, string(id[:]), make([]byte, size)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for part := range slices.Chunk(ids, 1000) {
		check(t, put(part, 600))
	}
	size := j.state.size()
	check(t, j.Close())
	start := time.Now()
	j = open(t, dir)
	opened := time.Since(start)
	if n := len(j.state.keys(bucketEntries)); n != many {
		t.Fatalf("%d entries", n)
	}
	var longest time.Duration
	before, err := os.Stat(filepath.Join(dir, logName))
	check(t, err)
	for k := 0; ; k++ {
		began := time.Now()
		check(t, put(ids[k%100:k%100+1], 100_000+k))
		longest = max(longest, time.Since(began))
		now, err := os.Stat(filepath.Join(dir, logName))
		check(t, err)
		if !os.SameFile(before, now) {
			break
		}
	}
	t.Logf("%d bytes: opened in %v; of the transactions until a checkpoint was done the longest took %v", size, opened, longest)
	if longest > 5*time.Second {
		t.Errorf("a transaction waited %v", longest)
	}
	check(t, j.Close())
}
