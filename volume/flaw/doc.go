// Package flaw has what a draft was to hold and does not: ranges that its programs could
// not write.
//
// It promises:
//
//   - Nothing but the arguments decides.
//   - A range is left out once it has been written, and no sooner.
//
// May import: nothing of ours.
package flaw
