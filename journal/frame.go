package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A log begins with two copies of its header, a sector each:
//
//	8  magic
//	8  salt, random, which is part of every checksum of this file
//	8  how many records were on the disk before the log took its name
//	8  the highest number that was drawn for a change
//	8  length of the file
//	4  CRC-32C of salt and all above
//
// Then come records, numbered from 0:
//
//	4  mark
//	1  kind: put or delete, and whether the transaction ends here
//	1  bucket
//	2  length of the key
//	4  length of the value
//	8  number of the record
//	8  all records below this number were on the disk before this one was written
//	8  length of the file when it was written
//	   key
//	4  CRC-32C of salt and all above
//	   value
//	4  CRC-32C that goes on over the value
//	1  newline
//
// What precedes the value is its head, and lies within one sector: if it would not, filler
// comes before it. Numbers are big endian. Neither head nor newline nor filler is zero, so
// that a sector of zeros was not written.
const (
	logMagic   = "mcfsjnl\x01"
	headerSize = len(logMagic) + 4*8 + 4
	sectorSize = 512
	firstFrame = 2 * sectorSize

	frameMark = "\xf7rec"
	fixedHead = len(frameMark) + 1 + 1 + 2 + 4 + 3*8
	sumSize   = 4
	frameTail = sumSize + 1
	filler    = 0xff
	endByte   = '\n'

	maxKey   = 400 // so that a head fits in a sector
	maxValue = 1 << 30
)

const (
	opPut    = 1
	opDelete = 2
	opEnds   = 0x80 // added to the last one of a transaction
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// op is a put or delete of one value.
type op struct {
	kind   byte
	bucket byte
	key    string
	value  []byte
}

// space is the most that the op takes in a log.
func (o op) space() int64 {
	head := fixedHead + len(o.key) + sumSize
	return int64(2*head + len(o.value) + frameTail)
}

// header is what a log says of itself.
type header struct {
	salt    uint64
	durable uint64 // records below this number were on the disk when the log took its name
	number  uint64
	size    int64
}

// sum is where every checksum of the file begins.
func (h header) sum() uint32 {
	return crc32.Checksum(binary.BigEndian.AppendUint64(nil, h.salt), castagnoli)
}

// marshal returns both copies, as they begin the file.
func (h header) marshal() []byte {
	b := binary.BigEndian.AppendUint64([]byte(logMagic), h.salt)
	b = binary.BigEndian.AppendUint64(b, h.durable)
	b = binary.BigEndian.AppendUint64(b, h.number)
	b = binary.BigEndian.AppendUint64(b, uint64(h.size))
	b = binary.BigEndian.AppendUint32(b, crc32.Update(h.sum(), castagnoli, b))
	both := make([]byte, firstFrame)
	copy(both, b)
	copy(both[sectorSize:], b)
	return both
}

// parseHeader returns the first copy that is whole. The error is ErrCorrupt if none is.
func parseHeader(b []byte) (header, error) {
	for at := 0; at < firstFrame && at+headerSize <= len(b); at += sectorSize {
		c := b[at : at+headerSize]
		if string(c[:len(logMagic)]) != logMagic {
			continue
		}
		field := func(k int) uint64 { return binary.BigEndian.Uint64(c[len(logMagic)+8*k:]) }
		h := header{salt: field(0), durable: field(1), number: field(2), size: int64(field(3))}
		if binary.BigEndian.Uint32(c[headerSize-4:]) == crc32.Update(h.sum(), castagnoli, c[:headerSize-4]) {
			return h, nil
		}
	}
	return header{}, fmt.Errorf("%w: no header is whole", ErrCorrupt)
}

// encoder makes records of ops.
type encoder struct {
	b       []byte
	at      int64 // where b goes in the file
	sum     uint32
	seq     uint64 // number of the next record
	durable uint64
	size    int64
}

// add appends a transaction.
func (e *encoder) add(tx []op) {
	for k, o := range tx {
		if k == len(tx)-1 {
			o.kind |= opEnds
		}
		e.frame(o)
	}
}

func (e *encoder) frame(o op) {
	at := int(e.at) + len(e.b)
	if room := sectorSize - at%sectorSize; room < fixedHead+len(o.key)+sumSize {
		for range room {
			e.b = append(e.b, filler)
		}
	}
	start := len(e.b)
	e.b = append(e.b, frameMark...)
	e.b = append(e.b, o.kind, o.bucket)
	e.b = binary.BigEndian.AppendUint16(e.b, uint16(len(o.key)))
	e.b = binary.BigEndian.AppendUint32(e.b, uint32(len(o.value)))
	e.b = binary.BigEndian.AppendUint64(e.b, e.seq)
	e.b = binary.BigEndian.AppendUint64(e.b, e.durable)
	e.b = binary.BigEndian.AppendUint64(e.b, uint64(e.size))
	e.b = append(e.b, o.key...)
	sum := crc32.Update(e.sum, castagnoli, e.b[start:])
	e.b = binary.BigEndian.AppendUint32(e.b, sum)
	e.b = append(e.b, o.value...)
	e.b = binary.BigEndian.AppendUint32(e.b, crc32.Update(sum, castagnoli, o.value))
	e.b = append(e.b, endByte)
	e.seq++
}

// frame is a record as it was found, or a gap: bytes of which no head is whole.
type frame struct {
	op
	at, end      int // of the file; end may lie beyond it
	seq, durable uint64
	size         int64
	ends         bool // the transaction
	sound        bool // the value is whole
	gap          bool
}

// parseFrame parses the record at b[at:]. ok is false if its head is not whole.
func parseFrame(b []byte, at int, salted uint32) (f frame, ok bool) {
	head := b[at:]
	if len(head) < fixedHead || string(head[:len(frameMark)]) != frameMark {
		return f, false
	}
	fields := head[len(frameMark):]
	keyLen, valueLen := int(binary.BigEndian.Uint16(fields[2:])), int(binary.BigEndian.Uint32(fields[4:]))
	body := fixedHead + keyLen + sumSize
	if keyLen > maxKey || valueLen > maxValue || body > len(head) {
		return f, false
	}
	sum := crc32.Update(salted, castagnoli, head[:body-sumSize])
	if binary.BigEndian.Uint32(head[body-sumSize:]) != sum {
		return f, false
	}
	f.kind, f.ends, f.bucket = fields[0]&^opEnds, fields[0]&opEnds != 0, fields[1]
	f.seq, f.durable = binary.BigEndian.Uint64(fields[8:]), binary.BigEndian.Uint64(fields[16:])
	f.size = int64(binary.BigEndian.Uint64(fields[24:]))
	f.key = string(head[fixedHead : fixedHead+keyLen])
	f.at, f.end = at, at+body+valueLen+frameTail
	f.value = head[body:min(body+valueLen, len(head))]
	if f.end <= len(b) {
		f.sound = binary.BigEndian.Uint32(b[f.end-frameTail:]) == crc32.Update(sum, castagnoli, f.value) && b[f.end-1] == endByte
	}
	return f, true
}
