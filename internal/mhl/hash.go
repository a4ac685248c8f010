package mhl

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/zeebo/xxh3"
)

// Kind is a hash, by the name of its element in a list of the ASC.
type Kind string

// The kinds.
const (
	MD5    Kind = "md5"
	SHA1   Kind = "sha1"
	XXH64  Kind = "xxh64"
	XXH3   Kind = "xxh3"
	XXH128 Kind = "xxh128"
	C4     Kind = "c4"
)

// Kinds are all of them.
var Kinds = []Kind{XXH64, XXH3, XXH128, MD5, SHA1, C4}

// ParseKinds reads names of kinds with commas between them; none comes twice.
func ParseKinds(text string) (list []Kind, err error) {
	for name := range strings.SplitSeq(text, ",") {
		k := Kind(strings.TrimSpace(name))
		if !slices.Contains(Kinds, k) {
			return nil, fmt.Errorf("hash %q is not known", name)
		}
		if !slices.Contains(list, k) {
			list = append(list, k)
		}
	}
	return list, nil
}

// bytes is how long the sum of a kind is.
func (k Kind) bytes() int {
	return map[Kind]int{MD5: md5.Size, SHA1: sha1.Size, XXH64: 8, XXH3: 8, XXH128: 16, C4: sha512.Size}[k]
}

// Hasher makes several hashes of what is written to it.
type Hasher struct {
	kinds []Kind
	each  []hash.Hash
}

// NewHasher makes a Hasher of some kinds.
func NewHasher(kinds []Kind) *Hasher {
	h := &Hasher{kinds: slices.Clone(kinds)}
	for _, k := range kinds {
		h.each = append(h.each, k.hash())
	}
	return h
}

func (k Kind) hash() hash.Hash {
	switch k {
	case MD5:
		return md5.New()
	case SHA1:
		return sha1.New()
	case XXH64:
		return xxhash.New()
	case XXH3:
		return xxh3.New()
	case XXH128:
		return wide{xxh3.New()}
	default:
		return sha512.New()
	}
}

// wide is the same state, of which 128 bits are taken.
type wide struct{ *xxh3.Hasher }

func (w wide) Size() int { return 16 }

func (w wide) Sum(b []byte) []byte {
	sum := w.Sum128().Bytes()
	return append(b, sum[:]...)
}

// Write never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	for _, one := range h.each {
		_, _ = one.Write(p) // a hash.Hash never fails
	}
	return len(p), nil
}

// Sums are the hashes of what has been written.
func (h *Hasher) Sums() (list []Hash) {
	for i, k := range h.kinds {
		list = append(list, Hash{k, k.text(h.each[i].Sum(nil))})
	}
	return list
}

// text spells a sum.
func (k Kind) text(sum []byte) string {
	if k == C4 {
		return c4Text(sum)
	}
	return hex.EncodeToString(sum)
}

// parse reads a sum, and spells it as text does.
func (k Kind) parse(text string) (string, error) {
	text = strings.TrimSpace(text)
	if k == C4 {
		return text, checkC4(text)
	}
	sum, err := hex.DecodeString(text)
	if err != nil || len(sum) != k.bytes() {
		return "", fmt.Errorf("%q is no %s: %w", text, k, ErrMalformed)
	}
	return hex.EncodeToString(sum), nil
}

// A C4 ID is SMPTE ST 2114: "c4", and the SHA-512 as a number in base 58, of 88 digits. The digits leave
// out 0, O, I and l.
const (
	c4Digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	c4Length = 90
)

// c4Text spells a SHA-512 as a C4 ID.
func c4Text(sum []byte) string {
	text := []byte("c4" + strings.Repeat(c4Digits[:1], c4Length-2))
	n, base, digit := new(big.Int).SetBytes(sum), big.NewInt(int64(len(c4Digits))), new(big.Int)
	for i := c4Length - 1; n.Sign() > 0; i-- {
		n.DivMod(n, base, digit)
		text[i] = c4Digits[digit.Int64()]
	}
	return string(text)
}

// checkC4 refuses what no SHA-512 gives.
func checkC4(text string) error {
	digits, ok := strings.CutPrefix(text, "c4")
	if !ok || len(text) != c4Length || strings.Trim(digits, c4Digits) != "" {
		return fmt.Errorf("%q is no C4 ID: %w", text, ErrMalformed)
	}
	return nil
}
