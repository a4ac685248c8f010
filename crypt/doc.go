// Package crypt turns plaintext into the three AES forms that AWS Elemental
// MediaConvert can decrypt (CTR, CBC and GCM), and back.
//
// It promises that the bytes are those of the standards (NIST SP 800-38A for
// CTR and CBC, SP 800-38D for GCM), that CTR and GCM can be computed by
// independent parts in any order, that anything can be decrypted at any
// offset, and that a file of any size needs no more memory than one part.
// All arithmetic between plaintext and ciphertext offsets is in layout.go.
//
// It knows nothing of files, objects or keys at rest, and imports only the
// standard library.
package crypt
