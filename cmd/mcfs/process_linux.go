package main

import "golang.org/x/sys/unix"

// redirect makes the descriptor to what from is.
func redirect(from, to int) error { return unix.Dup3(from, to, 0) }

// noDump keeps the memory, which holds data keys, out of core dumps and away
// from other processes of the same user: PR_SET_DUMPABLE(2const).
func noDump() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
