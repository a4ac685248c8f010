// Package naming decides what a name means: whether a file that bears it is committed, waits for
// another name or stays in the spool, what a conflict copy is called, and which names can exist.
//
// It promises:
//
//   - An answer depends on the arguments alone: no file, no store, no clock and no lock is involved.
//     Only a conflict name that had to be shortened, and the name of a moment beside another, have
//     random letters.
//   - A directory is never temporary but by a name that nobody chooses, which has a hash in it; and
//     neither is a file by an extension that people use.
//   - A conflict name fits wherever the name that it stands beside did, with its sidecar.
//
// May import: sidecar.
package naming
