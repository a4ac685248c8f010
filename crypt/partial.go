package crypt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Partial is the polynomial hash of a run of ciphertext whole in itself. A run
// that is not the last must be a multiple of 16 bytes long. Secret: it would
// reveal the hash key; keep it sealed at rest (MarshalBinary is for that).
type Partial struct {
	sum [16]byte // GHASH times H: see Hasher
	n   int64
}

// Len is how many bytes the run has.
func (p Partial) Len() int64 { return p.n }

// partialVersion is the first byte of a marshalled Partial; then come its
// length, 8 bytes big-endian, and the sum.
const (
	partialVersion = 1
	partialLen     = 1 + 8 + 16
)

// MarshalBinary gives 25 bytes. It never fails.
func (p Partial) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, partialLen)
	b = append(b, partialVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(p.n))
	return append(b, p.sum[:]...), nil
}

// UnmarshalBinary is ParsePartial into p, which an error leaves as it is.
func (p *Partial) UnmarshalBinary(b []byte) error {
	parsed, err := ParsePartial(b)
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// ParsePartial reads what MarshalBinary wrote. It does not keep b.
func ParsePartial(b []byte) (Partial, error) {
	if len(b) != partialLen {
		return Partial{}, fmt.Errorf("partial hash: %d bytes, want %d", len(b), partialLen)
	}
	if b[0] != partialVersion {
		return Partial{}, fmt.Errorf("partial hash: version %d, want %d", b[0], partialVersion)
	}
	n := binary.BigEndian.Uint64(b[1:9])
	if n > math.MaxInt64 {
		return Partial{}, errors.New("partial hash: length out of range")
	}
	p := Partial{sum: [16]byte(b[9:]), n: int64(n)}
	if p.n == 0 && p != (Partial{}) {
		return Partial{}, errors.New("partial hash: a sum of nothing that is not zero")
	}
	return p, nil
}

// Run hashes bytes that arrive in pieces of any length, in order. Not for
// concurrent use. Pieces of whole blocks, some KiB at least, are fastest.
type Run struct {
	h    *Hasher
	done Partial
	rest [blockLen]byte // bytes after the last whole block
	n    int            // how many
}

// NewRun begins an empty run.
func (h *Hasher) NewRun() *Run { return &Run{h: h} }

// Write adds p to the run. It never fails and keeps no p.
func (r *Run) Write(p []byte) (int, error) {
	total := len(p)
	if r.n > 0 {
		took := copy(r.rest[r.n:], p)
		r.n, p = r.n+took, p[took:]
		if r.n < blockLen {
			return total, nil
		}
		r.done = r.h.Join(r.done, r.h.Sum(r.rest[:]))
	}
	whole := len(p) - len(p)%blockLen
	r.done = r.h.Join(r.done, r.h.Sum(p[:whole]))
	r.n = copy(r.rest[:], p[whole:])
	return total, nil
}

// Partial is the hash of all that has been written; more may follow.
func (r *Run) Partial() Partial {
	return r.h.Join(r.done, r.h.Sum(r.rest[:r.n]))
}
