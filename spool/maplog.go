package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"

	"mcfs/crypt"
)

// mapLog is the map file: 8 bytes of magic, the first record's sequence number
// (8 bytes, big endian), then frames. A frame is the length of what is sealed
// (4 bytes), a CRC-32C of that length and the sequence number (4), and the
// sealed record, whose label binds the sequence number again.
type mapLog struct {
	file *descriptor
	end  int64  // where the next frame goes
	seq  uint64 // the next record's
	// doubtful is true if it is not known what the disk has after end, or whether it has
	// all before. Nothing is appended then; the next Sync writes the map anew.
	doubtful bool
	counted  int64 // bytes on disk that the quota knows of
}

const (
	mapMagic   = "mcfsmap\x01"
	mapHead    = len(mapMagic) + 8
	frameHead  = 8
	sectorSize = 512
)

func mapLabel(seq uint64) string { return fmt.Sprintf("map %d", seq) }

func frameSum(size uint32, seq uint64) uint32 {
	var b [12]byte
	binary.BigEndian.PutUint32(b[:], size)
	binary.BigEndian.PutUint64(b[4:], seq)
	return crc32.Checksum(b[:], castagnoli)
}

// appendFrame appends a record to b, sealed as number seq.
func appendFrame(b []byte, sealer *crypt.Sealer, r record, seq uint64) ([]byte, error) {
	plain := r.marshal()
	size := len(plain) + crypt.SealOverhead
	if size > math.MaxInt32 {
		return nil, fmt.Errorf("map record of %d bytes is too long", size)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = binary.BigEndian.AppendUint32(b, frameSum(uint32(size), seq))
	return sealer.SealRecord(b, plain, mapLabel(seq)), nil
}

// newMapFile returns a whole map file with one record.
func newMapFile(sealer *crypt.Sealer, r record, seq uint64) ([]byte, error) {
	b := binary.BigEndian.AppendUint64([]byte(mapMagic), seq)
	return appendFrame(b, sealer, r, seq)
}

// parsedMap is the content of a map file.
type parsedMap struct {
	records []record
	first   uint64 // number of the first record
	end     int64  // after the last good frame
	seq     uint64 // after the last good record
	torn    bool   // something follows after end
}

// parseMap parses records until the end or a torn tail. A power cut leaves a record short,
// or with sectors that were never written, which read as zeros. A whole record that does
// not authenticate is corrupt; so is a torn one before a full record, which was written
// when all before it was on disk.
func parseMap(b []byte, sealer *crypt.Sealer) (m parsedMap, err error) {
	if len(b) < mapHead || string(b[:len(mapMagic)]) != mapMagic {
		return m, fmt.Errorf("map has no header: %w", ErrCorrupt)
	}
	m.seq = binary.BigEndian.Uint64(b[len(mapMagic):])
	m.first = m.seq
	at := mapHead
	for at < len(b) {
		r, n, ok := openFrame(b[at:], sealer, m.seq)
		if !ok {
			m.torn = true
			if err := checkTorn(b, at, sealer, m.seq); err != nil {
				return m, err
			}
			break
		}
		m.records = append(m.records, r)
		m.seq++
		at += n
	}
	m.end = int64(at)
	if len(m.records) == 0 || m.records[0].kind != recordSnapshot {
		return m, fmt.Errorf("map does not begin with a snapshot: %w", ErrCorrupt)
	}
	return m, nil
}

// frameLength returns the length of a whole frame, which may reach beyond b. ok is false
// if its head is not sound.
func frameLength(b []byte, seq uint64) (n int, ok bool) {
	if len(b) < frameHead {
		return 0, false
	}
	size := binary.BigEndian.Uint32(b)
	sound := size <= math.MaxInt32 && binary.BigEndian.Uint32(b[4:]) == frameSum(size, seq)
	return frameHead + int(size), sound
}

func openFrame(b []byte, sealer *crypt.Sealer, seq uint64) (r record, n int, ok bool) {
	n, ok = frameLength(b, seq)
	if !ok || n > len(b) {
		return r, n, false
	}
	plain, err := sealer.OpenRecord(nil, b[frameHead:n], mapLabel(seq))
	if err != nil {
		return r, n, false
	}
	r, err = parseRecord(plain)
	return r, n, err == nil
}

// checkTorn returns why the bad frame at b[at:] cannot come from a power cut; nil if it can.
func checkTorn(b []byte, at int, sealer *crypt.Sealer, seq uint64) error {
	corrupt := fmt.Errorf("map record %d does not authenticate: %w", seq, ErrCorrupt)
	n, sound := frameLength(b[at:], seq)
	if !sound { // a torn head is short or zeros, and tells nothing of what follows
		if len(b)-at < frameHead || zeroSector(b, at, len(b)) {
			return nil
		}
		return corrupt
	}
	if at+n > len(b) {
		return nil
	}
	if !zeroSector(b, at, at+n) {
		return corrupt
	}
	for at += n; at < len(b); at += n {
		seq++
		r, size, ok := openFrame(b[at:], sealer, seq)
		if ok && r.full {
			return corrupt
		}
		if n, sound = size, size > 0 && ok; !sound {
			return nil
		}
	}
	return nil
}

// zeroSector reports whether the part of b[lo:hi] in any sector of the disk is all zeros,
// which sealed bytes never are.
func zeroSector(b []byte, lo, hi int) bool {
	for lo < hi {
		end := min(hi, lo/sectorSize*sectorSize+sectorSize)
		if len(bytes.TrimLeft(b[lo:end], "\x00")) == 0 {
			return true
		}
		lo = end
	}
	return false
}

// beginMap makes the map, if there is none yet. Create does not make it, since most files
// are deleted before their first Sync, and a second file is most of what a small one
// costs. The header is changed last: a kill before leaves an empty file, which it is on
// disk so far. The caller holds f.syncing.
func (f *File) beginMap() error {
	if f.maplog.file != nil {
		return nil
	}
	// This record is "full" although nothing is synced: an empty file refers to no block
	// that could be missing.
	first, err := newMapFile(f.sealer, record{kind: recordSnapshot, full: true, boot: f.s.boot}, 0)
	if err != nil {
		return err
	}
	file, err := f.s.descriptors.create("map", f.s.path(f.id.String()+mapSuffix), os.O_TRUNC, first)
	if err != nil {
		return fmt.Errorf("create map: %w", diskError(err))
	}
	if err := f.markMapped(); err != nil {
		return errors.Join(err, file.close())
	}
	f.maplog = mapLog{file: file, seq: 1, end: int64(len(first)), counted: f.maplog.counted}
	f.countMap()
	return nil
}

func (f *File) markMapped() error {
	f.header.mapless = false
	head, err := f.sealHeader()
	if err == nil {
		err = f.data.pwrite("data.write", head, 0)
	}
	if err != nil {
		f.header.mapless = true
		return fmt.Errorf("write header: %w", diskError(err))
	}
	return nil
}

// appendRecord appends a record to the log, and waits for the disk if durable. After an
// error the log is doubtful. The caller holds f.syncing.
func (f *File) appendRecord(r record, durable bool) error {
	l := &f.maplog
	b, err := appendFrame(nil, f.sealer, r, l.seq)
	if err != nil {
		return err
	}
	l.doubtful = true
	if err := l.file.hold(); err != nil {
		return fmt.Errorf("open map: %w", err)
	}
	defer l.file.release()
	if durable && l.file.doubtful() {
		if err := f.writeMapAgain(); err != nil {
			return err
		}
	}
	if err := l.file.pwrite("map.write", b, l.end); err != nil {
		return fmt.Errorf("write map: %w", diskError(err))
	}
	if durable {
		if err := l.file.sync("map.sync"); err != nil {
			return fmt.Errorf("sync map: %w", diskError(err))
		}
		l.file.settle()
	}
	l.doubtful = false
	l.seq++
	l.end += int64(len(b))
	f.countMap()
	return nil
}

// writeMapAgain writes the same records to the map file once more, if all of them are
// still there, so that the next sync reports whether they reach the disk.
func (f *File) writeMapAgain() error {
	l := &f.maplog
	b := make([]byte, l.end)
	if err := l.file.readFull("map.read", b, 0); err != nil {
		return fmt.Errorf("read map: %w", err)
	}
	m, err := parseMap(b, f.sealer)
	if err == nil && (m.seq != l.seq || m.end != l.end) {
		err = fmt.Errorf("map lacks records that were written: %w", ErrCorrupt)
	}
	if err != nil {
		return err
	}
	if err := l.file.pwrite("map.write", b, 0); err != nil {
		return fmt.Errorf("write map again: %w", diskError(err))
	}
	return nil
}

// replaceMap replaces the log by a map of one record: it is written beside the log, synced
// and renamed. The caller holds f.syncing.
func (f *File) replaceMap(r record) error {
	l, sys := &f.maplog, f.s.sys
	b, err := newMapFile(f.sealer, r, l.seq)
	if err != nil {
		return err
	}
	path := f.s.path(f.id.String() + mapSuffix)
	tmp := path + tmpSuffix
	file, err := f.s.descriptors.openFile("map.create", tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return fmt.Errorf("create map: %w", diskError(err))
	}
	_, err = sys.pwrite("map.write", file, b, 0)
	if err == nil {
		err = sys.sync("map.sync", file)
	}
	if err == nil {
		err = sys.rename("map.rename", tmp, path)
	}
	if err != nil {
		file.Close()
		os.Remove(tmp) // if that fails, the next Open does it
		return fmt.Errorf("replace map: %w", diskError(err))
	}
	l.file.close()
	*l = mapLog{file: f.s.descriptors.adopt("map", path, file), end: int64(len(b)), seq: l.seq + 1, doubtful: true, counted: l.counted}
	f.countMap()
	if err := sys.syncDir("dir.sync", f.s.dir); err != nil {
		return fmt.Errorf("sync %s: %w", f.s.dir, err)
	}
	l.doubtful = false
	return nil
}
