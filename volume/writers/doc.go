// Package writers keeps who has files open for writing, for those who wait until nobody has.
//
// It promises that who waits hears of each change, and is told the same list once.
//
// May import: nothing of ours.
package writers
