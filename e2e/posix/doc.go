// Package posix holds the tests of what programs may expect of any filesystem:
// go-fuse's posixtest, whole, in every mode, and by name the rows of the design
// about opening, writing, truncating and mapping, about closing, about locks,
// symlinks and the room that df shows.
//
// Where Linux says what must come out, the same steps run in a plain directory
// on disk, and the two are compared. Where a process matters (who closes, who is
// killed, who holds a lock) it is a real one: a shell, python3, or this test
// binary started again in a role. It imports e2e/rig only; nothing imports it.
package posix
