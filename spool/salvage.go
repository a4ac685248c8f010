package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"mcfs/crypt"
)

// Unwrap returns the data key that was wrapped. The caller wipes it.
type Unwrap func(wrapped []byte, keyID string) ([]byte, error)

// Range is Length bytes from Offset.
type Range struct{ Offset, Length int64 }

// Lacks is what of a sealed file in quarantine cannot be read.
type Lacks struct {
	Base    []Range // was never in it: the version from which it was made has that
	Sent    []Range // was sent, and dropped from the full spool
	Damaged []Range // does not authenticate
}

// None reports whether all of it can be read.
func (l Lacks) None() bool { return len(l.Base)+len(l.Sent)+len(l.Damaged) == 0 }

// Salvage is a sealed file in quarantine, opened to read what of it can be. Nothing on
// the disk is changed.
type Salvage struct {
	Header   Header // with its path, as far as that can be told
	Size     int64  // bytes of plaintext, as far as the map tells
	Headless bool   // the header is damaged: the note has the key
	Torn     bool   // the map is damaged: what was written last is missing

	data   *os.File
	offset int64 // of slot 0
	sealer *crypt.Sealer
	table  table
}

// OpenSalvage opens a sealed file in quarantine. The error is ErrCorrupt if nothing of it
// can be read.
func OpenSalvage(q Quarantined, unwrap Unwrap) (*Salvage, error) {
	id, err := q.sealedID()
	if err != nil {
		return nil, err
	}
	s := &Salvage{table: newTable()}
	if s.data, err = os.OpenFile(q.File, os.O_RDONLY|syscall.O_NOFOLLOW, 0); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s is gone: %w", q.File, ErrCorrupt)
		}
		return nil, err
	}
	if err := s.open(id, q, unwrap); err != nil {
		s.Close()
		return nil, fmt.Errorf("open %s: %w", q.ID, err)
	}
	return s, nil
}

func (s *Salvage) open(id ID, q Quarantined, unwrap Unwrap) error {
	h, err := s.header(id, q)
	if err != nil {
		return err
	}
	key, err := unwrap(h.Wrapped, h.KeyID)
	if err != nil {
		return err
	}
	defer clear(key)
	if s.sealer, err = crypt.NewSealer(key, h.ID); err != nil {
		return err
	}
	s.Header = h.Header
	if path, err := s.sealer.OpenRecord(nil, h.sealedPath, h.label()); err == nil {
		s.Header.Path = string(path)
	} else {
		s.Header.Path = q.Path
	}
	if h.mapless {
		return nil // it is empty
	}
	return s.replay(q.File + mapSuffix)
}

// header returns the file's header, or what the note has of it if that is damaged.
func (s *Salvage) header(id ID, q Quarantined) (diskHeader, error) {
	b := make([]byte, headerMax)
	n, err := io.ReadFull(s.data, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return diskHeader{}, err
	}
	b = b[:n]
	length, err := headerLength(b)
	s.offset = int64(max(length, headerUnit))
	if err == nil && length <= len(b) {
		h, err := parseHeader(b[:length])
		if err == nil {
			return h, nil
		}
	}
	if len(q.wrapped) == 0 {
		return diskHeader{}, fmt.Errorf("its header is damaged, and with it the key: %w", errHeader)
	}
	s.Headless = true
	return diskHeader{Header: Header{ID: id, Wrapped: q.wrapped, KeyID: q.keyID}}, nil
}

// replay reads the map as far as it authenticates, which gives the last state that can be
// read.
func (s *Salvage) replay(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("its map is missing, and with it what opens its blocks: %w", ErrCorrupt)
	}
	if err != nil {
		return err
	}
	m, err := parseMap(b, s.sealer)
	if len(m.records) == 0 || m.records[0].kind != recordSnapshot {
		return errors.Join(fmt.Errorf("its map is damaged, and with it what opens its blocks: %w", ErrCorrupt), err)
	}
	s.Torn = err != nil
	for _, r := range m.records {
		if err := r.apply(&s.table); err != nil {
			return err
		}
		if r.kind != recordEvicted {
			s.Size = r.size
		}
	}
	return checkShape(&s.table, s.Size)
}

// Close closes the file and forgets the key.
func (s *Salvage) Close() {
	_ = s.data.Close()
	if s.sealer != nil {
		s.sealer.Wipe()
	}
}

// Read calls take, in order, with each stretch of plaintext that authenticates, which take
// must not keep; the rest is zeros. It returns what cannot be read. Its error is one of
// take, or of the disk.
func (s *Salvage) Read(take func(p []byte, off int64) error) (l Lacks, err error) {
	buf := make([]byte, 0, crypt.BlockSize)
	sealed := make([]byte, 0, crypt.BlockSize+crypt.SealOverhead)
	s.table.each(0, endOfBlocks, func(i int64, e entry) bool {
		valid := int64(s.table.valid(i))
		at := i * crypt.BlockSize
		valid = min(valid, s.Size-at)
		var p []byte
		p, err = s.block(buf, sealed, i, e)
		switch {
		case errors.Is(err, ErrCorrupt):
			l.Damaged, err = addRange(l.Damaged, Range{at, valid}), nil
		case err == nil && valid > 0:
			err = take(p[:valid], at)
		}
		return err == nil
	})
	l.Base, l.Sent = s.absent()
	return l, err
}

// absent returns what the spool did not have when the file was synced last.
func (s *Salvage) absent() (base, sent []Range) {
	for off := int64(0); ; {
		at, n, ok := s.table.absentRange(off, s.Size)
		if !ok {
			break
		}
		off = max(at+n, off+1)
		base = addRange(base, Range{at, min(n, s.Size-at)})
	}
	for i := int64(0); ; {
		b, _, ok := s.table.sent.next(i, ID{})
		if !ok {
			return base, sent
		}
		at := b.lo * crypt.BlockSize
		sent = addRange(sent, Range{at, min(b.hi*crypt.BlockSize, s.Size) - at})
		i = b.hi
	}
}

// block returns the plaintext of a block. dst and sealed are buffers for it.
func (s *Salvage) block(dst, sealed []byte, i int64, e entry) ([]byte, error) {
	sealed = append(sealed[:0], e.nonce[:]...)
	sealed = sealed[:nonceSize+int(e.n)]
	_, err := s.data.ReadAt(sealed[nonceSize:], s.offset+int64(e.slot)*slotSize)
	switch {
	case errors.Is(err, io.EOF):
		return nil, ErrCorrupt // cut short
	case err != nil:
		return nil, err
	}
	p, err := s.sealer.OpenBlock(dst[:0], append(sealed, e.tag[:]...), uint64(i), e.slot)
	if err != nil {
		return nil, ErrCorrupt
	}
	return p, nil
}

// addRange appends a range, and joins it with the last one if they touch.
func addRange(list []Range, r Range) []Range {
	if k := len(list) - 1; k >= 0 && list[k].Offset+list[k].Length == r.Offset {
		list[k].Length += r.Length
		return list
	}
	return append(list, r)
}
