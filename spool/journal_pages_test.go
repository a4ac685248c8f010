package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
