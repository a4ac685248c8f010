// Package terminaltest makes terminals for tests of what is shown on one.
//
// It promises:
//
//   - A terminal that it cannot make fails the test.
//   - What is opened is closed when the test ends.
//
// May import: nothing of ours.
package terminaltest
