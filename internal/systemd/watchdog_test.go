package systemd

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// TestWatchdogTime: only what systemd says to this very process counts.
func TestWatchdogTime(t *testing.T) {
	me := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		socket, micro, pid string
		want               time.Duration
	}{
		{"/run/notify", "180000000", me, 3 * time.Minute},
		{"/run/notify", "180000000", "", 3 * time.Minute},
		{"/run/notify", "180000000", me + "0", 0},
		{"/run/notify", "", me, 0},
		{"/run/notify", "-1", me, 0},
		{"/run/notify", "9223372036854775807", me, 0},
		{"", "180000000", me, 0},
	} {
		t.Setenv("NOTIFY_SOCKET", c.socket)
		t.Setenv("WATCHDOG_USEC", c.micro)
		t.Setenv("WATCHDOG_PID", c.pid)
		if got := WatchdogTime(); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
