package memory

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// NoDump keeps the memory, which has data keys, out of core dumps and away from other
// processes of the same user, by PR_SET_DUMPABLE(2const). The limit holds for children,
// too, and where the kernel sets the first one back.
func NoDump() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// Lock keeps all memory out of the swap, as it comes into use. A part would not be
// enough, since libraries copy data keys about. It needs the privilege CAP_IPC_LOCK or no
// limit; under a limit nothing is locked, since the program would end when its heap grows
// beyond that.
func Lock() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return err
	}
	// A limit of 0 finds out whether there is the privilege, to which no limit applies.
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
