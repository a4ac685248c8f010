// Package keys makes, wraps and unwraps data keys.
//
// A keeper is AWS KMS (kms.go) or a local keyring (local.go); a Pool fetches
// fresh keys ahead of need, so that a write does not wait for the network. No
// plaintext key is ever written anywhere by this package. It imports nothing
// of ours.
package keys

import (
	"context"
	"errors"
	"fmt"
)

// contextPairs is the encryption context that MediaConvert presents when it
// decrypts, and so the only one ever used. Never altered.
// https://docs.aws.amazon.com/mediaconvert/latest/ug/implementing-client-side-encryption.html
var contextPairs = map[string]string{"service": "mediaconvert.amazonaws.com"}

// What a caller can decide upon; test with errors.Is.
var (
	// ErrMalformed: this keeper cannot unwrap the wrapped key: it is damaged, or another key's
	// or context's. Not every keeper can tell, so nobody gives up for it what the key opens.
	ErrMalformed = errors.New("wrapped key cannot be unwrapped")
	// ErrOtherKeeper is an ErrMalformed of which that is known: another keeper can unwrap it.
	ErrOtherKeeper = fmt.Errorf("%w: it belongs to another keeper", ErrMalformed)
	// ErrDenied: credentials missing, expired or not allowed.
	ErrDenied = errors.New("access to the key denied")
	// ErrKeyState: the KMS key is disabled, pending deletion or does not exist.
	ErrKeyState = errors.New("key not usable")
	// ErrUnavailable: network, timeout or throttling, after retries.
	ErrUnavailable = errors.New("key service unavailable")
)

// DataKey is a fresh key with its wrapped form. The holder of the struct wipes it.
type DataKey struct {
	Plain   []byte // 16, 24 or 32 bytes
	Wrapped []byte // what the settings document carries, before base64
	KeyID   string // the wrapping key: an ARN, or "local:" and a fingerprint
}

// Wipe zeroes the plaintext.
func (k *DataKey) Wipe() { clear(k.Plain); k.Plain = nil }

// Keeper makes, wraps and unwraps. Calls may come from any number of
// goroutines; each ends soon after its context does, and has a deadline of its own.
type Keeper interface {
	// New makes a data key of 128, 192 or 256 bits.
	New(ctx context.Context, bits int) (DataKey, error)
	// Unwrap returns the plaintext key; the caller wipes it.
	Unwrap(ctx context.Context, wrapped []byte, keyID string) ([]byte, error)
	// Wrap encrypts an existing key under the keeper's key (import, promotion from a local keyring).
	Wrap(ctx context.Context, plain []byte) (DataKey, error)
	// Rewrap moves a wrapped key to the keeper's own key; with KMS the plaintext never leaves the service.
	Rewrap(ctx context.Context, wrapped []byte, keyID string) (newWrapped []byte, newKeyID string, err error)
	// KeyID is the resolved id: the key's ARN, or "local:" and a fingerprint.
	KeyID() string
	// Region is the region in that ARN; empty for a local keyring.
	Region() string
	// Check proves at start that keys can be made and unwrapped; its error
	// names the thing and the cure in one line. With KMS it resolves KeyID.
	Check(ctx context.Context) error
}

// checkBits refuses a key size that AES, and so MediaConvert, does not know.
func checkBits(bits int) error {
	switch bits {
	case 128, 192, 256:
		return nil
	}
	return fmt.Errorf("a data key of %d bits: AES has 128, 192 and 256", bits)
}

// checkPlain refuses a plaintext that is not an AES key by its length.
func checkPlain(plain []byte) error {
	switch len(plain) {
	case 16, 24, 32:
		return nil
	}
	return fmt.Errorf("a data key of %d bytes: AES has 16, 24 and 32", len(plain))
}
