package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// redirect makes the descriptor to what from is.
func redirect(from, to int) error { return unix.Dup3(from, to, 0) }

// noDump keeps the memory, which holds data keys, out of core dumps and away
// from other processes of the same user: PR_SET_DUMPABLE(2const). The limit is
// for the moment in which the kernel might think otherwise, and for children.
func noDump() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// lockMemory keeps all of the memory out of the swap, as it comes into use: data
// keys are copied about by the libraries that bring them, so that no part of it
// would be enough. It takes a privilege, CAP_IPC_LOCK, or a limit that is none.
// Under any other nothing is locked, since each later growth of the heap would
// count against the limit, and end the program where it ran out.
func lockMemory() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return err
	}
	// Where the limit is 0, only the privilege is left, to which no limit applies.
	privileged := lockUnder(unix.Rlimit{Max: limit.Max})
	if privileged == nil {
		return unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit)
	}
	if limit.Max == unix.RLIM_INFINITY {
		return lockUnder(unix.Rlimit{Cur: limit.Max, Max: limit.Max})
	}
	return errors.Join(fmt.Errorf("the limit is %d KiB, not unlimited", limit.Max>>10), unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit))
}

func lockUnder(limit unix.Rlimit) error {
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return err
	}
	return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
}
