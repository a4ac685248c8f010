package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// BlockSize is the plaintext length of a sealed block of the spool, in bytes.
const BlockSize = 32 << 10

// SealOverhead is what sealing adds to a plaintext: a 12-byte nonce before, a 16-byte tag after.
const SealOverhead = 28

// Sealer seals blocks and small records of one spool file: AES-256-GCM under
// HKDF-SHA256(data key, file id) with a random nonce each time. By SP 800-38D,
// section 8.3, one key may seal 2^32 times: 128 TiB of blocks.
//
// Its methods may be called by several goroutines at once, except Wipe, after
// which none may be called.
type Sealer struct {
	aead cipher.AEAD
	id   [16]byte
}

// What a sealed thing is, so that none passes for another kind.
const (
	kindBlock  = 'B'
	kindRecord = 'R'
)

// NewSealer derives the sealing key of the file id from dataKey (16, 24 or 32
// bytes), which it does not keep. HKDF's info is "mcfs 1 seal" and the id.
func NewSealer(dataKey []byte, id [16]byte) (*Sealer, error) {
	if err := checkKey(dataKey); err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, dataKey, nil, "mcfs 1 seal"+string(id[:]), 32)
	if err != nil {
		return nil, fmt.Errorf("derive sealing key: %w", err)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	return &Sealer{aead: aead, id: id}, nil
}

// SealBlock appends nonce, ciphertext and tag of plain to dst; index is the
// block's place in the file, slot its place on disk: both are authenticated.
// dst's spare capacity must not overlap plain.
func (s *Sealer) SealBlock(dst, plain []byte, index uint64, slot uint32) []byte {
	return s.aead.Seal(dst, nil, plain, s.blockPlace(index, slot))
}

// OpenBlock appends the plaintext to dst; ErrTampered if anything differs, and
// then nothing may be made of what lies behind dst. dst's spare capacity must not overlap sealed.
func (s *Sealer) OpenBlock(dst, sealed []byte, index uint64, slot uint32) ([]byte, error) {
	plain, err := s.aead.Open(dst, nil, sealed, s.blockPlace(index, slot))
	if err != nil {
		return nil, fmt.Errorf("open block %d in slot %d: %w", index, slot, ErrTampered)
	}
	return plain, nil
}

// SealRecord seals a labelled record ("map 17", "path") as SealBlock does a block.
func (s *Sealer) SealRecord(dst, plain []byte, label string) []byte {
	return s.aead.Seal(dst, nil, plain, s.recordPlace(label))
}

// OpenRecord opens what SealRecord sealed under the same label, as OpenBlock does.
func (s *Sealer) OpenRecord(dst, sealed []byte, label string) ([]byte, error) {
	plain, err := s.aead.Open(dst, nil, sealed, s.recordPlace(label))
	if err != nil {
		return nil, fmt.Errorf("open record %q: %w", label, ErrTampered)
	}
	return plain, nil
}

// Wipe drops the key, which lies within the standard library's GCM.
func (s *Sealer) Wipe() { s.aead = nil }

func (s *Sealer) blockPlace(index uint64, slot uint32) []byte {
	b := make([]byte, 0, 1+16+8+4)
	b = append(b, kindBlock)
	b = append(b, s.id[:]...)
	b = binary.BigEndian.AppendUint64(b, index)
	return binary.BigEndian.AppendUint32(b, slot)
}

func (s *Sealer) recordPlace(label string) []byte {
	b := make([]byte, 0, 1+16+len(label))
	b = append(b, kindRecord)
	b = append(b, s.id[:]...)
	return append(b, label...)
}
