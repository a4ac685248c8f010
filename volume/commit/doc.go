// Package commit takes what a close has asked for to the store: one attempt at a time for each
// file, under one path, until its object and its sidecar are there, or it is called off, gives
// way to another machine's version, or can never succeed.
//
// It promises:
//
//   - Whoever waits hears that a commit has succeeded only when object and sidecar are in the store (P4).
//   - The sidecar of what is replaced goes before the object comes, and that of the new one after (P3).
//   - An attempt whose last request may have left goes through, under the name that it began with.
//   - What another machine has put under a name meanwhile is not replaced: one of the two is
//     kept beside the other (P6).
//
// It knows no tree: what a file is called, what a rename has queued for it and what the journal
// says of it, Host tells.
//
// # Locks
//
// Config.Mu guards attempts, and comes before Content.Lock of package file. A method whose name
// ends in Locked is called with Mu held, and without the content locked; the others with neither.
// A Runner calls the methods of Host and the functions of Config likewise. No lock is held
// while a worker talks to the network.
//
// May import: crypt, sidecar, spool, store, volume/event, volume/fetch, volume/file, volume/naming, volume/queue, volume/remote, volume/upload.
package commit
