package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// TestJournalPageLeadsAstray damages each place and length of a key in the first
// element of each page of a journal: each time it is ErrCorrupt, and no end of the
// program.
func TestJournalPageLeadsAstray(t *testing.T) {
	s := newSpool(t, 1<<30)
	check(t, s.Journal().Update(func(tx *Tx) error {
		for i := range 300 {
			if _, err := tx.AddChange(Change{Op: "rename", Path: fmt.Sprintf("%0200d", i), To: "b"}); err != nil {
				return err
			}
		}
		return nil
	}))
	path := filepath.Join(s.dir, journalName)
	check(t, s.Close())
	whole, err := os.ReadFile(path)
	check(t, err)
	pageSize, damaged := os.Getpagesize(), map[uint16]int{}
	for at := 2 * pageSize; at < len(whole); at += pageSize {
		kind := binary.NativeEndian.Uint16(whole[at+8:])
		fields := map[uint16][]int{branchPage: {0, 4}, leafPage: {4, 8, 12}}[kind]
		if binary.NativeEndian.Uint16(whole[at+10:]) == 0 {
			continue
		}
		for _, field := range fields {
			p := append([]byte(nil), whole...)
			binary.NativeEndian.PutUint32(p[at+pageHead+field:], 1<<30)
			other := filepath.Join(t.TempDir(), journalName)
			check(t, os.WriteFile(other, p, 0o600))
			if db, err := openDB(other); !errors.Is(err, ErrCorrupt) {
				if err == nil {
					db.Close()
					if free(whole, at/pageSize) {
						continue // nobody reads it
					}
				}
				t.Errorf("page %d, field %d: %v", at/pageSize, field, err)
			}
			damaged[kind]++
		}
	}
	if damaged[branchPage] == 0 || damaged[leafPage] == 0 {
		t.Fatalf("the test shows nothing of some kind of page: %v", damaged)
	}
}

// TestJournalBranchDisagrees makes the first key of each leaf longer, within its page:
// bbolt's own check sees nothing in that, and its next change of the leaf frees a page
// that is in use.
func TestJournalBranchDisagrees(t *testing.T) {
	s := newSpool(t, 1<<30)
	check(t, s.Journal().Update(func(tx *Tx) error {
		for k := range 300 {
			if err := tx.PutEntry(someEntry(fmt.Sprint(k))); err != nil {
				return err
			}
		}
		return nil
	}))
	path := filepath.Join(s.dir, journalName)
	check(t, s.Close())
	whole, err := os.ReadFile(path)
	check(t, err)
	pageSize, damaged := os.Getpagesize(), 0
	for at := 2 * pageSize; at < len(whole); at += pageSize {
		head := whole[at:]
		if binary.NativeEndian.Uint16(head[8:]) != leafPage || binary.NativeEndian.Uint32(head[pageHead:]) != 0 || binary.NativeEndian.Uint16(head[10:]) < 5 || free(whole, at/pageSize) {
			continue
		}
		p := append([]byte(nil), whole...)
		length := binary.NativeEndian.Uint32(p[at+pageHead+8:])
		binary.NativeEndian.PutUint32(p[at+pageHead+8:], length+64)
		other := filepath.Join(t.TempDir(), journalName)
		check(t, os.WriteFile(other, p, 0o600))
		if db, err := openDB(other); !errors.Is(err, ErrCorrupt) {
			t.Errorf("page %d: %v", at/pageSize, err)
			if err == nil {
				db.Close()
			}
		}
		damaged++
	}
	if damaged < 10 {
		t.Fatalf("%d leaves were damaged", damaged)
	}
}

// free says whether bbolt takes a page for one that holds nothing.
func free(whole []byte, id int) bool {
	found := false
	path := filepath.Join(os.TempDir(), fmt.Sprintf("mcfs-free-%d-%d", os.Getpid(), id))
	defer os.Remove(path)
	if os.WriteFile(path, whole, 0o600) != nil {
		return false
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return false
	}
	defer db.Close()
	_ = db.View(func(tx *bolt.Tx) error {
		p, err := tx.Page(id)
		found = err == nil && p.Type == "free"
		return nil
	})
	return found
}

// TestJournalBranchesAgree changes a journal at random, in keys and values of all lengths, and
// reopens it again and again: what bbolt writes is never taken for damage.
func TestJournalBranchesAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	dir := filepath.Join(t.TempDir(), "spool")
	var ids []ID
	for round := range 60 {
		s := openSpool(t, dir, MinSize, realSystem{})
		if s.Rebuilt() {
			t.Fatalf("round %d: a sound journal was taken for a damaged one", round)
		}
		for range 20 {
			check(t, s.Journal().Update(func(tx *Tx) error {
				for range rng.IntN(60) {
					grow := rng.IntN(100) < 55 || round%10 < 5
					var err error
					switch k := rng.IntN(3); {
					case k == 0 && !grow && len(ids) > 0:
						n := rng.IntN(len(ids))
						err = tx.DeleteEntry(ids[n])
						ids[n] = ids[len(ids)-1]
						ids = ids[:len(ids)-1]
					case k == 0:
						e := someEntry(strings.Repeat("x", rng.IntN(1000)))
						ids = append(ids, e.ID)
						err = tx.PutEntry(e)
					case k == 1:
						err = tx.PutUpload(Upload{ID: strings.Repeat(fmt.Sprint(rng.IntN(40)), 1+rng.IntN(200)), Key: "k"})
					default:
						err = tx.DeleteUpload(strings.Repeat(fmt.Sprint(rng.IntN(40)), 1+rng.IntN(200)))
					}
					if err != nil {
						return err
					}
				}
				return nil
			}))
		}
		check(t, s.Close())
	}
}
