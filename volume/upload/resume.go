package upload

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/store"
)

// State is what another process needs to go on with an upload whose
// acknowledged parts can no longer be read from the draft. It is a snapshot.
type State struct {
	UploadID string
	PartSize int64        // of the first parts; the upload keeps it whatever the engine's is
	Parts    []store.Part // acknowledged, ascending; in CBC only those without a gap before them
	check    string       // crypt.Integrity.Check: which key, IV and mode they belong to
	sums     []sums       // of each part
}

// State is the upload as it is now; without parts, and with an empty
// UploadID, where nothing has begun.
func (u *Upload) State() State {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	s := State{UploadID: u.up.ID, PartSize: u.layout.first, check: u.object.Check}
	if u.phase == fresh {
		s.UploadID = ""
	}
	for i, p := range u.parts {
		if u.mode == crypt.CBC && i >= u.prefix {
			break
		}
		if p.state == acked && u.resumable(i) {
			s.Parts = append(s.Parts, p.ack)
			s.sums = append(s.sums, p.sums)
		}
	}
	return s
}

// resumable says whether part i, once acknowledged, stays good if the file's
// end changes: after a crash the draft may come out shorter or longer than
// Finish saw it. Only then is it kept in a State, and its range reported by
// Acked. e.mu is held.
func (u *Upload) resumable(i int) bool {
	p := u.parts[i]
	return p.n == u.layout.size(i) && p.sums.size == p.n
}

// Resume makes an Upload of a State that was kept, in the phase after Begun
// (which is not called again). The key, mode and IV are those of Start. Parts in
// the State are not read from src, nor from Finish's view.
//
// Two things are the caller's to see to. The plaintext of every part that may
// have left before, acknowledged or not, must be what it was then, since it
// leaves under the same key and IV again (P2): whoever wants to resume syncs a
// part's range before its Freeze returns. And the object may be complete
// already, if the crash came between Complete and its answer: look first.
func (e *Engine) Resume(t Target, key keys.DataKey, m crypt.Mode, iv []byte, src Source, s State) (*Upload, error) {
	u, err := e.Start(t, key, m, iv, src)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := u.adopt(s); err != nil {
		u.clean()
		return nil, fmt.Errorf("resume upload of %s: %w", t.Key, err)
	}
	return u, nil
}

// adopt takes a state over. e.mu is held.
func (u *Upload) adopt(s State) error {
	if err := s.valid(); err != nil {
		return err
	}
	if s.check != u.object.Check {
		return errors.New("state belongs to another key, IV or mode")
	}
	u.layout = layout{first: s.PartSize}
	u.up = store.Upload{Key: u.t.Key, ID: s.UploadID}
	u.beginJob = true
	for k, ack := range s.Parts {
		i := ack.Number - 1
		p := u.part(i)
		p.state, p.ack, p.known, p.sums = acked, ack, true, s.sums[k]
		u.progress.Add(ack.Size)
		u.reach.Store(u.layout.end(i))
	}
	for u.prefix < len(u.parts) && u.parts[u.prefix].state == acked {
		u.prefix++
	}
	if u.mode == crypt.CBC && u.prefix != len(u.parts) {
		return errors.New("parts of a CBC upload are missing before others")
	}
	u.move(begun)
	return nil
}

// valid checks what can be checked without the key.
func (s State) valid() error {
	switch {
	case s.UploadID == "":
		return errors.New("state has no upload id")
	case s.PartSize < minPartSize || s.PartSize > maxPartSize || s.PartSize%partUnit != 0:
		return fmt.Errorf("state has a part size of %d", s.PartSize)
	case len(s.sums) != len(s.Parts):
		return errors.New("state lacks the hashes of its parts; only MarshalBinary keeps them")
	}
	l, before := layout{first: s.PartSize}, 0
	for k, p := range s.Parts {
		if p.Number <= before || p.Number > maxParts {
			return fmt.Errorf("state has part %d after part %d", p.Number, before)
		}
		before = p.Number
		if n := l.size(p.Number - 1); p.Size != n || s.sums[k].mac.Len() != n {
			return fmt.Errorf("state has part %d of %d bytes, want %d", p.Number, p.Size, n)
		}
	}
	return nil
}

const (
	stateVersion = 1
	partialSize  = 25 // of crypt.Partial.MarshalBinary
)

// MarshalBinary writes the state: 1 version byte; check, upload id, part size,
// number of parts; then each part's number, ETag, CRC, last block and two
// partial hashes. Strings have their length before them, numbers are varints.
// The result is SECRET: the hashes in it would give the hash keys away. Seal it
// before it goes anywhere.
func (s State) MarshalBinary() ([]byte, error) {
	if err := s.valid(); err != nil {
		return nil, fmt.Errorf("marshal upload state: %w", err)
	}
	b := []byte{stateVersion}
	b = appendString(b, s.check)
	b = appendString(b, s.UploadID)
	b = binary.AppendUvarint(b, uint64(s.PartSize))
	b = binary.AppendUvarint(b, uint64(len(s.Parts)))
	for k, p := range s.Parts {
		b = binary.AppendUvarint(b, uint64(p.Number))
		b = appendString(b, p.ETag)
		b = binary.AppendUvarint(b, uint64(p.CRC32C))
		b = append(b, s.sums[k].end[:]...)
		for _, h := range []crypt.Partial{s.sums[k].ghash, s.sums[k].mac} {
			raw, err := h.MarshalBinary()
			if err != nil {
				return nil, fmt.Errorf("marshal upload state: %w", err)
			}
			b = append(b, raw...)
		}
	}
	return b, nil
}

// UnmarshalBinary reads what MarshalBinary wrote; an error leaves s as it was.
func (s *State) UnmarshalBinary(b []byte) error {
	r := reader{b: b}
	if v := r.bytes(1); r.err == nil && v[0] != stateVersion {
		return fmt.Errorf("upload state: version %d, want %d", v[0], stateVersion)
	}
	t := State{check: r.text(), UploadID: r.text(), PartSize: int64(r.number())}
	l := layout{first: t.PartSize}
	for n := r.number(); n > 0 && r.err == nil; n-- {
		p, m := r.part()
		if r.err == nil {
			p.Size = l.size(p.Number - 1)
			m.size = p.Size
			t.Parts, t.sums = append(t.Parts, p), append(t.sums, m)
		}
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes too many", len(r.b))
	}
	if r.err == nil {
		r.err = t.valid()
	}
	if r.err != nil {
		return fmt.Errorf("upload state: %w", r.err)
	}
	*s = t
	return nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// reader takes values off a slice until one is missing.
type reader struct {
	b   []byte
	err error
}

func (r *reader) bytes(n uint64) []byte {
	if r.err == nil && n > uint64(len(r.b)) {
		r.err = errors.New("cut short")
	}
	if r.err != nil {
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.err == nil && n <= 0 {
		r.err = errors.New("cut short")
	}
	if r.err != nil {
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text() string { return string(r.bytes(r.number())) }

// part reads one part, all but what its number tells.
func (r *reader) part() (store.Part, sums) {
	number, tag, crc := r.number(), r.text(), r.number()
	if r.err == nil && (number < 1 || number > maxParts || crc > math.MaxUint32) {
		r.err = fmt.Errorf("part %d with CRC %d", number, crc)
	}
	p := store.Part{Number: int(number), ETag: tag, CRC32C: uint32(crc)}
	m := sums{crc: p.CRC32C}
	copy(m.end[:], r.bytes(uint64(len(m.end))))
	m.ghash, m.mac = r.partial(), r.partial()
	return p, m
}

func (r *reader) partial() (p crypt.Partial) {
	if raw := r.bytes(partialSize); r.err == nil {
		r.err = p.UnmarshalBinary(raw)
	}
	return p
}
