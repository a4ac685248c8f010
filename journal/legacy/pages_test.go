package legacy

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// written is a journal as an older program has written it.
func written(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".db.gz"))
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	b, err := io.ReadAll(z)
	must(t, err)
	return b
}

// try reads a journal of these bytes.
func try(t *testing.T, b []byte) (*Journal, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	must(t, os.WriteFile(path, b, 0o600))
	return Read(path)
}

// TestRead: all that was put is there, and what was set aside.
func TestRead(t *testing.T) {
	for name, want := range map[string]map[string]int{
		"every-kind": {"entries": 11, "changes": 10, "uploads": 11, "settings": 2, "unreadable": 1},
		"many":       {"entries": 300, "changes": 300, "uploads": 0, "settings": 0, "unreadable": 0},
	} {
		j, err := try(t, written(t, name))
		must(t, err)
		for bucket, n := range want {
			if got := j.Values[bucket]; len(got) != n {
				t.Errorf("%s: %d %s, want %d", name, len(got), bucket, n)
			}
			for _, v := range j.Values[bucket] {
				if v.Damaged || v.Misplaced != (bucket == "unreadable") {
					t.Errorf("%s: %+v", name, v)
				}
			}
		}
		if j.Doubted || name == "every-kind" && j.Number != 12 {
			t.Errorf("%s: doubted %v, number %d", name, j.Doubted, j.Number)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

// TestReadLocked: while an older program has its journal, nobody reads it.
func TestReadLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	must(t, os.WriteFile(path, written(t, "every-kind"), 0o600))
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	defer db.Close()
	if _, err := Read(path); !errors.Is(err, ErrLocked) {
		t.Errorf("%v", err)
	}
}

// TestPageLeadsAstray damages each place and length of a key in the first element of each
// page of a journal: each time it is ErrCorrupt, and no end of the program.
func TestPageLeadsAstray(t *testing.T) {
	whole := written(t, "many")
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
			if _, err := try(t, p); !errors.Is(err, ErrCorrupt) && (err != nil || !free(t, whole, at/pageSize)) {
				t.Errorf("page %d, field %d: %v", at/pageSize, field, err)
			}
			damaged[kind]++
		}
	}
	if damaged[branchPage] == 0 || damaged[leafPage] == 0 {
		t.Fatalf("the test shows nothing of some kind of page: %v", damaged)
	}
}

// TestBranchDisagrees makes the first key of each leaf longer, within its page: bbolt's own
// check sees nothing in that.
func TestBranchDisagrees(t *testing.T) {
	whole := written(t, "many")
	pageSize, damaged := os.Getpagesize(), 0
	for at := 2 * pageSize; at < len(whole); at += pageSize {
		head := whole[at:]
		if binary.NativeEndian.Uint16(head[8:]) != leafPage || binary.NativeEndian.Uint32(head[pageHead:]) != 0 || binary.NativeEndian.Uint16(head[10:]) < 5 || free(t, whole, at/pageSize) {
			continue
		}
		p := append([]byte(nil), whole...)
		length := binary.NativeEndian.Uint32(p[at+pageHead+8:])
		binary.NativeEndian.PutUint32(p[at+pageHead+8:], length+64)
		if _, err := try(t, p); !errors.Is(err, ErrCorrupt) {
			t.Errorf("page %d: %v", at/pageSize, err)
		}
		damaged++
	}
	if damaged < 10 {
		t.Fatalf("%d leaves were damaged", damaged)
	}
}

// free reports whether bbolt takes a page for one that holds nothing.
func free(t *testing.T, whole []byte, id int) (found bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	must(t, os.WriteFile(path, whole, 0o600))
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	defer db.Close()
	must(t, db.View(func(tx *bolt.Tx) error {
		p, err := tx.Page(id)
		found = err == nil && p.Type == "free"
		return nil
	}))
	return found
}

// TestReadDamaged damages a journal in many ways: each time it is read or refused, the
// process lives, and no value is another than was put.
func TestReadDamaged(t *testing.T) {
	whole := written(t, "many")
	put := map[string]bool{}
	j, err := try(t, whole)
	must(t, err)
	total := 0
	for bucket, list := range j.Values {
		for _, v := range list {
			put[bucket+"/"+v.Key+"/"+string(v.Text)] = true
			total++
		}
	}
	pageSize, refused, missing := os.Getpagesize(), 0, 0
	for p := range len(whole) / pageSize {
		for seed := range uint64(3) {
			b := append([]byte(nil), whole...)
			page, r := b[p*pageSize:][:pageSize], rand.New(rand.NewPCG(seed, uint64(p)))
			switch seed {
			case 0:
				clear(page)
			case 1:
				for k := range page {
					page[k] = byte(r.Uint32())
				}
			default:
				for range 3 {
					page[r.IntN(64)] ^= 1 << r.IntN(8)
				}
			}
			got, err := try(t, b)
			if err != nil {
				if refused++; !errors.Is(err, ErrCorrupt) {
					t.Errorf("page %d, %d: %v", p, seed, err)
				}
				continue
			}
			n := 0
			for bucket, list := range got.Values {
				for _, v := range list {
					if n++; !v.Damaged && !put[bucket+"/"+v.Key+"/"+string(v.Text)] {
						t.Errorf("page %d, %d: %s %q was never put", p, seed, bucket, v.Key)
					}
				}
			}
			if n < total {
				if missing++; !got.Doubted {
					t.Errorf("page %d, %d: %d of %d values, and nothing is said", p, seed, n, total)
				}
			}
		}
	}
	t.Log(fmt.Sprint(refused, " refused, ", missing, " with some missing"))
	if refused < 10 {
		t.Errorf("only %d were refused", refused)
	}
}
