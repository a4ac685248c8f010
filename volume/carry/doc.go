// Package carry takes the objects of a directory that was renamed along, from the keys of its old name
// to those of its new one.
//
// It promises:
//
//   - It may be repeated: what has been taken along is not there any more.
//   - A sidecar goes with its file, and a marker after all that was in its directory.
//   - What cannot have its new key stays where it is, and is told. What is gone, or was removed
//     meanwhile, is no failure.
//   - So many objects are on their way at once, and no more.
//
// May import: sidecar, store, volume/listing, volume/naming, volume/queue, volume/remote.
package carry
