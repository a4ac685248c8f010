// Package lately keeps what has just happened, for as long as anybody goes by it.
//
// It promises that what is over is told apart, and that memory is bounded by what happens
// in that time.
//
// May import: nothing of ours.
package lately
