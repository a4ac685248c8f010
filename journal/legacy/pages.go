package legacy

import (
	"encoding/binary"
	"fmt"
	"os"
)

// Behind its head (number 8 bytes, flags 2, elements 2, overflow 4) a page of bbolt
// has elements of 16 bytes. A branch's: the place of a key, its length, a page's
// number. A leaf's: flags, the place of a key, its length, that of the value behind
// it. A value that is a bucket begins with the number of its root and a sequence, 8
// bytes each; where the number is 0 its only page follows.
const (
	pageElement  = 16
	branchPage   = 0x01
	leafPage     = 0x02
	bucketLeaf   = 0x01
	bucketHeader = 16
)

// checkPage returns an error if a page refers to what lies outside of it. bbolt makes
// pointers of what it reads, also in a goroutine of its own and in copies of buckets, and a
// wrong one ends the program.
func checkPage(file *os.File, id, pages, pageSize int, tree *branches) error {
	p := make([]byte, pages*pageSize)
	if _, err := file.ReadAt(p, int64(id)*int64(pageSize)); err != nil {
		return err
	}
	if err := checkElements(p); err != nil {
		return fmt.Errorf("%w: page %d: %w", ErrCorrupt, id, err)
	}
	tree.add(uint64(id), p)
	return nil
}

// branches has the first keys of pages, as they are and as their parents tell. bbolt finds
// a child's place in its parent by that key: if they differ, it frees a page that is in use.
type branches struct {
	first map[uint64]string // by page
	said  map[uint64]string // by child
}

func newBranches() *branches {
	return &branches{first: map[uint64]string{}, said: map[uint64]string{}}
}

// add records a page whose elements were checked.
func (t *branches) add(id uint64, p []byte) {
	flags, count := binary.NativeEndian.Uint16(p[8:]), int(binary.NativeEndian.Uint16(p[10:]))
	for i := range count {
		at := pageHead + i*pageElement
		field := func(k int) int { return int(binary.NativeEndian.Uint32(p[at+4*k:])) }
		var key string
		switch flags {
		case branchPage:
			key = string(p[at+field(0):][:field(1)])
			t.said[binary.NativeEndian.Uint64(p[at+8:])] = key
		case leafPage:
			key = string(p[at+field(1):][:field(2)])
		}
		if i == 0 {
			t.first[id] = key
		}
		if flags != branchPage {
			return
		}
	}
}

func (t *branches) check() error {
	for child, key := range t.said {
		if first, ok := t.first[child]; !ok || first != key {
			return fmt.Errorf("%w: page %d does not begin with the key that its branch gives", ErrCorrupt, child)
		}
	}
	return nil
}

// checkElements is checkPage for the bytes of a page.
func checkElements(p []byte) error {
	if len(p) < pageHead {
		return fmt.Errorf("%d bytes are no page", len(p))
	}
	flags, count := binary.NativeEndian.Uint16(p[8:]), int(binary.NativeEndian.Uint16(p[10:]))
	if flags != branchPage && flags != leafPage {
		return nil
	}
	for i := range count {
		at := pageHead + i*pageElement
		if at+pageElement > len(p) {
			return fmt.Errorf("there is no room for %d elements", count)
		}
		field := func(k int) int64 { return int64(binary.NativeEndian.Uint32(p[at+4*k:])) }
		if flags == branchPage {
			if int64(at)+field(0)+field(1) > int64(len(p)) {
				return fmt.Errorf("element %d leads out of it", i)
			}
			continue
		}
		value := int64(at) + field(1) + field(2)
		end := value + field(3)
		if end > int64(len(p)) {
			return fmt.Errorf("element %d leads out of it", i)
		}
		if field(0)&bucketLeaf == 0 {
			continue
		}
		if err := checkBucket(p[value:end]); err != nil {
			return fmt.Errorf("bucket %d: %w", i, err)
		}
	}
	return nil
}

// checkBucket checks a value that is a bucket, and its page if that lies in the value.
func checkBucket(v []byte) error {
	if len(v) < bucketHeader {
		return fmt.Errorf("%d bytes are no bucket", len(v))
	}
	if binary.NativeEndian.Uint64(v) != 0 {
		return nil
	}
	inline := v[bucketHeader:]
	if len(inline) >= pageHead && binary.NativeEndian.Uint16(inline[8:]) != leafPage {
		return fmt.Errorf("its page is no leaf")
	}
	return checkElements(inline)
}
