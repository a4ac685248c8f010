// Package jobinput reads what MediaConvert jobs need of files, in a mount or at an address: their
// settings, whether they are committed, and in which volume they lie.
//
// Promises: a file whose last version or name is not in the store yet is refused, since a job
// would read another one; so is what MediaConvert cannot decrypt, with the cure. The daemon of a
// mount is asked once for many files, and a store opened once.
//
// May import: fs, internal/mounts, internal/status, internal/stored, internal/verdict, mediaconvert/document, sidecar, store, volume.
package jobinput
