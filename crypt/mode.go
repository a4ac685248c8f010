package crypt

import (
	"crypto/rand"
	"fmt"
	"math"
	"strings"
)

// Mode is one of the three AES modes that MediaConvert reads.
type Mode uint8

const (
	CTR Mode = iota + 1 // NIST SP 800-38A, section 6.5
	CBC                 // NIST SP 800-38A, section 6.2, with PKCS#7 padding (RFC 5652, section 6.3)
	GCM                 // NIST SP 800-38D, no additional data, 16-byte tag at the end
)

// ParseMode accepts "CTR", "CBC", "GCM" (configuration, mcfs-mode) and
// "AES_CTR", ... (settings documents).
func ParseMode(s string) (Mode, error) {
	switch strings.TrimPrefix(s, "AES_") {
	case "CTR":
		return CTR, nil
	case "CBC":
		return CBC, nil
	case "GCM":
		return GCM, nil
	}
	return 0, fmt.Errorf("unknown encryption mode %q: want CTR, CBC or GCM", s)
}

// String is "CTR", "CBC" or "GCM".
func (m Mode) String() string {
	switch m {
	case CTR:
		return "CTR"
	case CBC:
		return "CBC"
	case GCM:
		return "GCM"
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// CheckIV says whether an IV of n bytes suits the mode: 16 always, 12 for CTR and GCM.
func (m Mode) CheckIV(n int) error {
	switch {
	case m != CTR && m != CBC && m != GCM:
		return fmt.Errorf("unknown encryption mode %v", m)
	case n == 16, n == 12 && m != CBC:
		return nil
	case m == CBC:
		return fmt.Errorf("IV of %d bytes: CBC needs 16", n)
	}
	return fmt.Errorf("IV of %d bytes: %v needs 12 or 16", n, m)
}

// DefaultIVSize is 16 for CTR and CBC, 12 for GCM.
func (m Mode) DefaultIVSize() int {
	if m == GCM {
		return 12
	}
	return 16
}

// NewIV makes a fresh random IV of size bytes. A CTR IV of 16 bytes ends in
// four zero bytes: decryptors whose counter has 32, 64 or 128 bits then agree
// for the first 64 GiB.
func NewIV(m Mode, size int) ([]byte, error) {
	if err := m.CheckIV(size); err != nil {
		return nil, err
	}
	iv := make([]byte, size)
	random := iv
	if m == CTR {
		random = iv[:12]
	}
	rand.Read(random) // never fails: it ends the program instead
	return iv, nil
}

// MaxPlain is the longest plaintext in bytes (2^36-32 for GCM, by SP 800-38D
// section 5.2.1.1; MaxInt64 - 16 otherwise, so that sizes never overflow).
func (m Mode) MaxPlain() int64 {
	if m == GCM {
		return 1<<36 - 32
	}
	return math.MaxInt64 - 16
}
