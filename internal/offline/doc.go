// Package offline works on a volume that is not mounted: it encrypts files and trees into the store,
// decrypts what is there, and checks it.
//
// Promises: a sidecar follows its object, and goes before that is replaced (P3); a version has a
// data key and an IV of its own, also after a kill (P2); what a killed run has left is finished or
// taken away by the next one on this machine; nothing is overwritten unasked; memory does not grow
// with the number of files, but where there is a hash list of them; no plaintext is written but by
// Decrypt, into the file that was asked for, under whose name it appears once it is whole and checked.
//
// May import: config, crypt, internal/backend, internal/human, internal/inventory, internal/leftover, internal/mhl, internal/mounts, internal/progress, internal/verdict, keys, mediaconvert/batch, sidecar, store, volume/fetch, volume/listing, volume/metacache, volume/naming, volume/orphans, volume/remote, volume/upload.
package offline
