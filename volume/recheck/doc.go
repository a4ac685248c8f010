// Package recheck looks again, later, at what may have changed within the second in which it was
// described: no listing would show that.
//
// It promises:
//
//   - Each thing is looked at once for each time that it was asked for, not before its time, and a few
//     at once.
//   - It has a lock of its own, under which nothing waits. It may be asked with any lock held.
//   - Its loop ends with its context. What is due then is left.
//
// May import: nothing of ours.
package recheck
