// Package progress shows on a terminal how far long work is: how many are done, at what rate, and
// how long it goes on.
//
// Promises: nothing is shown but on a terminal; lines that are printed meanwhile stay whole, above
// the bar; after Stop nothing of it is left; no colour is used.
//
// May import: internal/human.
package progress
