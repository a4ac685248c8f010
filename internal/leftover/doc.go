// Package leftover notes on this machine what a run without a mount is about to leave in the store
// until it is whole: uploads that are under way, objects that lack their sidecar yet. A run that was
// killed has left its notes, and the next one takes them over.
//
// Promises: a note is on the disk before what it is of begins; the notes of a run that lives are not
// touched by another; no note is lost when the run that has taken it over is killed, too. No
// plaintext and no plaintext key is in a note.
//
// May import: volume/remote.
package leftover
