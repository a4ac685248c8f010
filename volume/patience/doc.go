// Package patience decides how long an operation on names waits for the store.
//
// It promises:
//
//   - Where something is known already an operation waits a second at most, and not at all for a
//     while after a wait in vain; where nothing is known, ten seconds (P7).
//   - A refusal is an answer; only silence makes the next ones wait less.
//   - It has a lock of its own, under which nothing waits. It may be asked with any lock held.
//
// May import: store.
package patience
