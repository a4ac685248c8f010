package spool

import (
	"encoding/binary"
	"fmt"
	"os"
)

// bbolt's layout of a page: a header of 16 bytes (number 8, flags 2, elements 2,
// overflow 4), then its elements, of 16 bytes each, that say where keys and values are.
const (
	pageHeader  = 16
	pageElement = 16
	branchPage  = 0x01
	leafPage    = 0x02
)

// checkElements: none of a page's elements may lead out of it. bbolt follows them
// in a goroutine of its own, where a fault of memory would end the program.
func checkElements(file *os.File, id, pages, pageSize int) error {
	p := make([]byte, pages*pageSize)
	if _, err := file.ReadAt(p, int64(id)*int64(pageSize)); err != nil {
		return err
	}
	flags, count := binary.NativeEndian.Uint16(p[8:]), int(binary.NativeEndian.Uint16(p[10:]))
	if flags != branchPage && flags != leafPage {
		return nil
	}
	for i := range count {
		at := pageHeader + i*pageElement
		if at+pageElement > len(p) {
			return fmt.Errorf("%w: page %d has no room for %d elements", ErrCorrupt, id, count)
		}
		e := p[at : at+pageElement]
		size := func(off int) int64 { return int64(binary.NativeEndian.Uint32(e[off:])) }
		end := int64(at) + size(0) + size(4) // a branch: place, key, page
		if flags == leafPage {
			end = int64(at) + size(4) + size(8) + size(12) // flags, place, key, value
		}
		if end > int64(len(p)) {
			return fmt.Errorf("%w: element %d of page %d leads out of it", ErrCorrupt, i, id)
		}
	}
	return nil
}
