// Package crypt turns plaintext into the three AES forms that AWS Elemental
// MediaConvert can decrypt (CTR, CBC and GCM), and back.
//
// It promises that the bytes are those of the standards (NIST SP 800-38A for
// CTR and CBC, SP 800-38D for GCM), that CTR and GCM can be computed by
// independent parts in any order, that anything can be decrypted at any
// offset, and that a file of any size needs no more memory than one part.
// All arithmetic between plaintext and ciphertext offsets is in layout.go.
//
// Beside the object's own format it holds what protects a version in every
// mode (Integrity) and what protects a draft on this machine (Sealer). Each
// works under subkeys of the data key, never under the data key itself.
//
// It knows nothing of files, objects or keys at rest, and imports only the
// standard library. AES key schedules live inside that library, out of reach
// of the Wipe methods; these zero what this package holds itself and drop
// the rest.
package crypt

import "errors"

var (
	// ErrTampered: the bytes are not those that were made under this key.
	// Test with errors.Is. It never says which byte is wrong.
	ErrTampered = errors.New("does not match its integrity check")
	// ErrTooLong: the plaintext is longer than the mode allows (see Mode.MaxPlain).
	ErrTooLong = errors.New("longer than the mode allows")
)
