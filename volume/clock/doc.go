// Package clock keeps moments by the monotonic clock, in a word each.
//
// It promises that an age does not change when the clock of the wall is set.
//
// May import: nothing of ours.
package clock
