package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Header is the beginning of a sealed file, from which a lost journal can be rebuilt. The
// wrapped data key is in clear, the path sealed.
type Header struct {
	ID      ID
	Wrapped []byte // the data key from which the sealing key is derived, wrapped
	KeyID   string
	Path    string // sealed on disk; empty when read by Headers (see File.Path)
}

// diskHeader is a header as it stands on disk.
//
//	8  magic, with the format's version: 1, or 2 before the file has a map
//	4  length of the whole header with padding, big endian: a multiple of 4 KiB
//	16 id
//	three times: 4 length, then the bytes of wrapped key, key id, sealed path
//	4  CRC-32C of all the above
//	…  zeros
//
// The checksum is against damage. Against tampering, another wrapped key gives another
// sealing key, under which neither path nor map authenticates; and the label under which
// the path is sealed depends on whether there is a map.
type diskHeader struct {
	Header
	mapless    bool // the file has no map yet, and is empty: nothing of it was synced
	sealedPath []byte
	length     int64 // where slot 0 begins
}

const (
	headerMagic  = "mcfsspl\x01"
	maplessMagic = "mcfsspl\x02"
	headerUnit   = 4 << 10
	headerMax    = 64 << 10
	headerFixed  = len(headerMagic) + 4 + 16 + 3*4 + 4
)

// castagnoli is the polynomial of CRC-32C (RFC 3720, appendix B.4), for which processors
// have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (h *diskHeader) magic() string {
	if h.mapless {
		return maplessMagic
	}
	return headerMagic
}

// label returns the label under which the path is sealed.
func (h *diskHeader) label() string {
	if h.mapless {
		return "path, no map"
	}
	return "path"
}

// marshal renders the header and sets its length.
func (h *diskHeader) marshal() ([]byte, error) {
	n := headerFixed + len(h.Wrapped) + len(h.KeyID) + len(h.sealedPath)
	length := int64(roundUp(n, headerUnit))
	if length > headerMax {
		return nil, fmt.Errorf("header of %d bytes is longer than %d", length, headerMax)
	}
	if h.length != length { // it never changes once on disk, and blocks are read without a lock
		h.length = length
	}
	b := make([]byte, 0, h.length)
	b = append(b, h.magic()...)
	b = binary.BigEndian.AppendUint32(b, uint32(h.length))
	b = append(b, h.ID[:]...)
	for _, part := range [][]byte{h.Wrapped, []byte(h.KeyID), h.sealedPath} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[:h.length], nil
}

var errHeader = fmt.Errorf("header does not parse: %w", ErrCorrupt)

// headerLength returns the length that the first bytes of a header tell.
func headerLength(b []byte) (int, error) {
	if len(b) < headerFixed {
		return 0, errHeader
	}
	if magic := string(b[:len(headerMagic)]); magic != headerMagic && magic != maplessMagic {
		return 0, errHeader
	}
	n := int(binary.BigEndian.Uint32(b[len(headerMagic):]))
	if n < headerUnit || n > headerMax || n%headerUnit != 0 {
		return 0, errHeader
	}
	return n, nil
}

// parseHeader parses a whole header. The result does not refer to b.
func parseHeader(b []byte) (h diskHeader, err error) {
	n, err := headerLength(b)
	if err != nil || n != len(b) {
		return h, errHeader
	}
	h.length = int64(n)
	h.mapless = string(b[:len(maplessMagic)]) == maplessMagic
	at := len(headerMagic) + 4
	at += copy(h.ID[:], b[at:])
	var parts [3][]byte
	for i := range parts {
		if len(b)-at < 4 {
			return diskHeader{}, errHeader
		}
		size := int64(binary.BigEndian.Uint32(b[at:]))
		at += 4
		if size > int64(len(b)-at) {
			return diskHeader{}, errHeader
		}
		parts[i] = bytes.Clone(b[at : at+int(size)])
		at += int(size)
	}
	if len(b)-at < 4 || binary.BigEndian.Uint32(b[at:]) != crc32.Checksum(b[:at], castagnoli) {
		return diskHeader{}, errHeader
	}
	h.Wrapped, h.KeyID, h.sealedPath = parts[0], string(parts[1]), parts[2]
	return h, nil
}

// loadHeader reads the header of an open data file, and checks that it has the id of the
// file's name.
func loadHeader(f *descriptor, id ID) (diskHeader, error) {
	b := make([]byte, headerUnit)
	if err := f.readFull("data.read", b, 0); err != nil {
		return diskHeader{}, err
	}
	n, err := headerLength(b)
	if err != nil {
		return diskHeader{}, err
	}
	b = append(b, make([]byte, n-headerUnit)...)
	if err := f.readFull("data.read", b[headerUnit:], headerUnit); err != nil {
		return diskHeader{}, err
	}
	h, err := parseHeader(b)
	if err == nil && h.ID != id {
		return diskHeader{}, fmt.Errorf("header belongs to %s: %w", h.ID, ErrCorrupt)
	}
	return h, err
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
