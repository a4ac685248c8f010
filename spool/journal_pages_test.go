package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestJournalBranchLeadsAstray damages each place and length of a key in the
// branch pages of a journal: each time it is ErrCorrupt, and no end of the program.
func TestJournalBranchLeadsAstray(t *testing.T) {
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
	pageSize, damaged := os.Getpagesize(), 0
	for at := 2 * pageSize; at < len(whole); at += pageSize {
		if binary.NativeEndian.Uint16(whole[at+8:]) != branchPage {
			continue
		}
		for _, field := range []int{0, 4} {
			p := append([]byte(nil), whole...)
			binary.NativeEndian.PutUint32(p[at+pageHead+field:], 1<<30)
			other := filepath.Join(t.TempDir(), journalName)
			check(t, os.WriteFile(other, p, 0o600))
			if db, err := openDB(other); !errors.Is(err, ErrCorrupt) {
				t.Errorf("page %d, field %d: %v", at/pageSize, field, err)
				if err == nil {
					db.Close()
				}
			}
			damaged++
		}
	}
	if damaged == 0 {
		t.Fatal("the journal has no branch page: the test shows nothing")
	}
}
