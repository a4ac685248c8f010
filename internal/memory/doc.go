// Package memory keeps the daemon's memory small, and to itself.
//
// It promises that the collector follows what is live: it runs seldom while that is little, and
// never without end because a limit is too low. What the environment sets stays as it is.
//
// May import: nothing of ours.
package memory
