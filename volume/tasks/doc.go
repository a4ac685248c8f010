// Package tasks has the goroutines of an owner that ends while others still call it.
//
// Promises: every goroutine that was begun has ended when End returns, and none begins after
// that.
//
// May import: nothing of ours.
package tasks
