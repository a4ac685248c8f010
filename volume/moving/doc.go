// Package moving knows the directories that were renamed while their objects still have the old
// keys, and so where the object of a path may be.
//
// It promises:
//
//   - An answer depends on the moves that were begun, in their order, and on nothing else: no store,
//     no clock and no lock is involved. The owner's lock guards a Moves.
//   - Every place at which an object may be is among those that are given, the latest last.
//
// May import: nothing of ours.
package moving
