package systemd

import (
	"fmt"
	"net"
	"os"
	"time"
)

// Notify tells systemd the state of the service, as sd_notify(3) does: by a datagram to the
// socket that $NOTIFY_SOCKET names. Without systemd it does nothing. A lost message does no
// harm.
func Notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.DialTimeout("unixgram", path, time.Second) // "@…" is an abstract one
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write([]byte(state))
}

// extension is how much more time systemd is asked for, and every how often.
const (
	extension = time.Minute
	every     = 20 * time.Second
)

// Extend has systemd wait for the end of the service, whatever its time limit, until stop is
// called: what an end waits for has limits of its own.
func Extend() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		for {
			Notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extension.Microseconds()))
			select {
			case <-ticks.C:
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
