package systemd

import (
	"os"
	"strconv"
	"time"
)

// WatchdogTime is within which time systemd wants to hear, again and again, that the service is well; 0: never.
// What a unit says is for its main process alone, as sd_watchdog_enabled(3) has it.
func WatchdogTime() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	micro, err := strconv.ParseUint(os.Getenv("WATCHDOG_USEC"), 10, 63)
	if err != nil || micro > uint64(1<<63-1)/uint64(time.Microsecond) || os.Getenv("NOTIFY_SOCKET") == "" {
		return 0
	}
	return time.Duration(micro) * time.Microsecond
}

// Well tells systemd that the service is well.
func Well() { Notify("WATCHDOG=1") }

// LeaveUnwatched has systemd not wait for Well any more, until the service is started again.
func LeaveUnwatched() { Notify("WATCHDOG_USEC=0") }
