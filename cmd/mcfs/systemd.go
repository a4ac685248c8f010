package main

import (
	"net"
	"os"
	"time"
)

// notify tells systemd how the service is doing, sd_notify(3): a datagram to
// the socket that $NOTIFY_SOCKET names. Without systemd it does nothing, and a
// message that is lost only delays what systemd knows.
func notify(state string) {
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
