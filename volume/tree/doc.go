// Package tree knows the names of one directory: what each leads to, which of them this machine has
// removed, how old what is known of them is, what a listing of the store means for them, and what
// the directory's own marker says of it.
//
// It promises:
//
//   - What this machine has done to a name holds against every listing that was begun before the
//     store had it.
//   - An answer depends on what was noted and on the time, and on nothing else: no store and no lock
//     is involved. The owner's lock guards a Dir and its Attributes.
//   - What a name leads to is the owner's: it is compared, and never looked into.
//   - A directory of which nothing is known is shown to its owner alone.
//
// May import: sidecar, store, volume/listing, volume/remote.
package tree
