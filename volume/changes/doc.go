// Package changes carries out what happens to names: renames, removals, new directories and
// symlinks, and changes of attributes. Each is true in the tree at once, in the journal before its
// operation returns, and finished behind, in the order in which those of the same paths were queued.
//
// It promises:
//
//   - What the journal has of a change makes the same change again, in any later mount (P5).
//   - A change stays in the journal until it is done, or given up; one that has ended does not come back there.
//   - What may pass is tried again, with longer and longer waits; what cannot is given up, and told.
//   - The journal says with each change what its version states by now, until the change has begun.
//   - Changes of attributes that come one after another share a request.
//
// It knows no tree, and nothing of what a change does to the store: Host does that.
//
// # Locks
//
// Config.Mu guards all that a Runner knows of changes, and is never held over I/O. A method whose
// name ends in Locked is called with Mu held, the others without; a Runner calls those of Host and
// Config.ChangedLocked likewise. A transaction of the journal takes Mu, so nobody waits for the
// journal with Mu held. What of a Change is not said to be guarded belongs to its worker once it
// has begun.
//
// May import: sidecar, spool, store, volume/commit, volume/event, volume/file, volume/queue, volume/remote.
package changes
