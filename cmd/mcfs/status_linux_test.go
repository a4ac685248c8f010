package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/internal/terminaltest"

	"mcfs/store/s3/s3test"
)

// On a terminal --watch redraws in place until it is interrupted.
func TestStatusWatchOnATerminal(t *testing.T) {
	r := newRig(t)
	r.start()
	r.breakWrites(s3test.Fault{Status: 503, Code: "SlowDown"})
	r.save("movie.mp4", "moving pictures")
	near, far := terminaltest.Open(t)
	cmd := r.mcfs("status", "--watch", r.mountpoint)
	cmd.Stdout, cmd.Stderr = far, far
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	if err := near.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	said, buf := "", make([]byte, 4096)
	for !strings.Contains(said, "movie.mp4  15 B; failed") || !strings.Contains(said, "A\r\x1b[J") {
		n, err := near.Read(buf)
		if said += string(buf[:n]); err != nil {
			t.Fatalf("%v, after %q", err, said)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if status := r.ended(cmd, 10*time.Second); status != 0 {
		t.Errorf("status %d", status)
	}
	r.s3.Proxy.Reset()
}
