package keys

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// localPrefix begins the KeyID of every local keyring.
const localPrefix = "local:"

const (
	masterSize      = 32
	fingerprintSize = 8

	// A wrapped key: version (1) ‖ fingerprint (8) ‖ nonce (12) ‖ key (16, 24 or 32) ‖ tag (16).
	localVersion    = 1
	localHeaderSize = 1 + fingerprintSize
	localOverhead   = localHeaderSize + 12 + 16
)

// Labels of the subkeys of a master key (HKDF-SHA256, RFC 5869). The master
// key itself encrypts nothing.
const (
	labelFingerprint = "mcfs keyring 1 fingerprint"
	labelWrap        = "mcfs keyring 1 wrap"
)

type fingerprint [fingerprintSize]byte

func (f fingerprint) String() string { return hex.EncodeToString(f[:]) }

// Local is the keeper without AWS: a keyring file whose master key wraps data
// keys by AES-256-GCM with random nonces. NIST SP 800-38D (8.3) allows 2^32
// wraps under one master key. MediaConvert cannot unwrap them: Rewrap to KMS
// comes first.
type Local struct {
	path string // for messages
	fp   fingerprint
	aead cipher.AEAD
}

var _ Keeper = (*Local)(nil)

// newLocal derives what it needs of master, which the caller wipes.
func newLocal(path string, master []byte) (*Local, error) {
	wrap, err := hkdf.Key(sha256.New, master, nil, labelWrap, masterSize)
	if err != nil {
		return nil, fmt.Errorf("derive the wrapping key of %s: %w", path, err)
	}
	defer clear(wrap)
	block, err := aes.NewCipher(wrap)
	if err != nil {
		return nil, fmt.Errorf("open keyring %s: %w", path, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("open keyring %s: %w", path, err)
	}
	fp, err := fingerprintOf(master)
	if err != nil {
		return nil, fmt.Errorf("open keyring %s: %w", path, err)
	}
	return &Local{path: path, fp: fp, aead: aead}, nil
}

// fingerprintOf names a master key without revealing it.
func fingerprintOf(master []byte) (fp fingerprint, err error) {
	b, err := hkdf.Key(sha256.New, master, nil, labelFingerprint, fingerprintSize)
	copy(fp[:], b)
	return fp, err
}

// New makes a data key of 128, 192 or 256 bits.
func (l *Local) New(ctx context.Context, bits int) (DataKey, error) {
	if err := checkBits(bits); err != nil {
		return DataKey{}, err
	}
	if err := ctx.Err(); err != nil {
		return DataKey{}, fmt.Errorf("make a data key: %w", err)
	}
	plain := make([]byte, bits/8)
	rand.Read(plain) // never fails: it ends the program instead
	return DataKey{Plain: plain, Wrapped: l.seal(plain), KeyID: l.KeyID()}, nil
}

// Wrap encrypts an existing key; the result holds a copy of plain.
func (l *Local) Wrap(ctx context.Context, plain []byte) (DataKey, error) {
	if err := checkPlain(plain); err != nil {
		return DataKey{}, err
	}
	if err := ctx.Err(); err != nil {
		return DataKey{}, fmt.Errorf("wrap a data key: %w", err)
	}
	return DataKey{Plain: bytes.Clone(plain), Wrapped: l.seal(plain), KeyID: l.KeyID()}, nil
}

// Unwrap returns the plaintext key; the caller wipes it. The blob itself says
// which keyring it belongs to; keyID only makes the error clearer.
func (l *Local) Unwrap(ctx context.Context, wrapped []byte, keyID string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("unwrap a data key: %w", err)
	}
	if arnRegion(keyID) != "" {
		return nil, fmt.Errorf("keyring %s: %w: it was wrapped by the KMS key %s", l.path, ErrOtherKeeper, keyID)
	}
	fp, sealed, err := parseWrapped(wrapped)
	if err != nil {
		return nil, fmt.Errorf("keyring %s: %w: %w", l.path, ErrMalformed, err)
	}
	if fp != l.fp {
		return nil, fmt.Errorf("keyring %s: %w: it wants the keyring %s%s, this is %s", l.path, ErrOtherKeeper, localPrefix, fp, l.KeyID())
	}
	plain, err := l.aead.Open(nil, nil, sealed, l.additional())
	if err != nil {
		return nil, fmt.Errorf("keyring %s: %w: it was altered", l.path, ErrMalformed)
	}
	return plain, nil
}

// Rewrap wraps a key of this keyring anew.
func (l *Local) Rewrap(ctx context.Context, wrapped []byte, keyID string) ([]byte, string, error) {
	plain, err := l.Unwrap(ctx, wrapped, keyID)
	if err != nil {
		return nil, "", err
	}
	defer clear(plain)
	return l.seal(plain), l.KeyID(), nil
}

// KeyID is "local:" and the master key's fingerprint in hex.
func (l *Local) KeyID() string { return localPrefix + l.fp.String() }

// Region is empty: a local keyring is in none.
func (l *Local) Region() string { return "" }

// Check makes one data key and unwraps it again.
func (l *Local) Check(ctx context.Context) error {
	key, err := l.New(ctx, 256)
	if err != nil {
		return err
	}
	defer key.Wipe()
	plain, err := l.Unwrap(ctx, key.Wrapped, key.KeyID)
	if err != nil {
		return err
	}
	defer clear(plain)
	if subtle.ConstantTimeCompare(plain, key.Plain) != 1 {
		return fmt.Errorf("keyring %s: %w: it does not return what it wrapped", l.path, ErrKeyState)
	}
	return nil
}

func (l *Local) seal(plain []byte) []byte {
	out := make([]byte, 0, localOverhead+len(plain))
	out = append(out, localVersion)
	out = append(out, l.fp[:]...)
	return l.aead.Seal(out, nil, plain, l.additional())
}

// additional is what a wrapped key is bound to: its header and the context.
func (l *Local) additional() []byte {
	aad := append([]byte{localVersion}, l.fp[:]...)
	return appendContext(aad, contextPairs)
}

// appendContext appends the pairs in one possible way: sorted by name, each
// name and value after its length (32 bits, big-endian).
func appendContext(dst []byte, pairs map[string]string) []byte {
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		for _, s := range []string{name, pairs[name]} {
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
			dst = append(dst, s...)
		}
	}
	return dst
}

// parseWrapped splits a wrapped key into the fingerprint that it wants and
// what is sealed, a slice of b.
func parseWrapped(b []byte) (fp fingerprint, sealed []byte, err error) {
	if len(b) == 0 {
		return fp, nil, errors.New("it is empty")
	}
	if b[0] != localVersion {
		return fp, nil, fmt.Errorf("its version is %d, not %d: no local keyring wrapped it, or a newer mcfs", b[0], localVersion)
	}
	if checkBits(8*(len(b)-localOverhead)) != nil {
		return fp, nil, fmt.Errorf("its length of %d bytes is none that a wrapped key has", len(b))
	}
	copy(fp[:], b[1:])
	return fp, b[localHeaderSize:], nil
}
