// Package legacy reads the journal of an older program, which was a database of bbolt's.
//
// It promises:
//
//   - It changes nothing, and no damage ends the program. bbolt trusts its pages, so all of
//     them are looked at before bbolt follows one.
//   - A value is what was put, or is said to be damaged. If one may be missing, that is said.
//
// May import: nothing of ours.
package legacy
