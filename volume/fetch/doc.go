// Package fetch is the read pipeline: ranged GETs of one version, pinned to its
// ETag, decrypted, checked, and kept in a cache. Small for random reads; a
// growing window of parallel GETs once a reader goes straight on.
//
// It promises that a reader sees one version or an error (P8), that GCM
// plaintext is released only after the tag was checked unless streaming was
// asked for, that a whole pass checks mcfs-mac (P9), and that memory is bounded
// over all readers of an Engine.
//
// May import: crypt, store.
//
// The unit of everything is a block: crypt.BlockSize bytes of plaintext. A
// block is fetched by a flight (one GET, resumed where it breaks), hashed into
// the Reader's ledger, decrypted in place, handed to whoever waits for it, and
// only then given to the cache. One lock, the Engine's, guards all bookkeeping;
// no I/O and no cryptography runs under it.
//
// What the integrity checks cover, for a version that has mcfs-mac or a tag:
//
//   - The first time that every block of the object has been fetched, in
//     whatever order, the whole is checked. The block that completes the pass
//     is not released before. So whoever reads from the start to the end, all
//     of it fetched, has an error before the last byte if anything differs.
//   - A block that is fetched again must be what it was before.
//   - Blocks that a cache gave are trusted: see Reader.MarkVerified.
package fetch
