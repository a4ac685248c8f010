// Package model compares a mount with a directory on a local disk: random
// sequences of system calls are made in both, and after each of them both must
// have answered the same and look the same. Between the calls the mount
// commits, evicts, forgets, is unmounted, killed and mounted again, with its
// spool and with an empty one: none of that may be seen. At the end S3 must
// hold exactly the tree, each object decrypted by its sidecar alone.
//
// All of it is done with a spool that has room for everything, and with one that has
// not; what that may refuse, small_linux_test.go says.
//
// op_test.go says what a step is and how it is written down, draw_linux_test.go
// draws steps, side_linux_test.go makes their system calls on either side,
// compare_linux_test.go compares, world_linux_test.go keeps the mount. A sequence
// that failed is printed as a script of steps; in testdata it becomes a test.
package model
