package spool

import (
	"encoding/binary"
	"fmt"
	"os"
)

// Behind its head (number 8 bytes, flags 2, elements 2, overflow 4) a branch page
// of bbolt has elements of 16 bytes: the place of a key, its length, a page's number.
const (
	pageElement = 16
	branchPage  = 0x01
)

// checkBranch: no key of a branch page may lie outside of it. walk does not touch
// these keys; bbolt's check does, in a goroutine of its own.
func checkBranch(file *os.File, id, pages, pageSize int) error {
	p := make([]byte, pages*pageSize)
	if _, err := file.ReadAt(p, int64(id)*int64(pageSize)); err != nil {
		return err
	}
	if binary.NativeEndian.Uint16(p[8:]) != branchPage {
		return nil
	}
	count := int(binary.NativeEndian.Uint16(p[10:]))
	for i := range count {
		at := pageHead + i*pageElement
		if at+pageElement > len(p) {
			return fmt.Errorf("%w: page %d has no room for %d elements", ErrCorrupt, id, count)
		}
		key, size := binary.NativeEndian.Uint32(p[at:]), binary.NativeEndian.Uint32(p[at+4:])
		if int64(at)+int64(key)+int64(size) > int64(len(p)) {
			return fmt.Errorf("%w: element %d of page %d leads out of it", ErrCorrupt, i, id)
		}
	}
	return nil
}
