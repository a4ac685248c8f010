package systemd

import (
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
