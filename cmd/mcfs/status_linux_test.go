package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/store/s3/s3test"
)

// openTerminal makes a terminal of 100 by 24 characters: what is written to its
// far end is read from its near one.
func openTerminal(t *testing.T) (near, far *os.File) {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	raw, err := near.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	cerr := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
		if err == nil {
			err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100})
		}
	})
	if err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	if far, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return near, far
}

// On a terminal --watch redraws in place until it is interrupted.
func TestStatusWatchOnATerminal(t *testing.T) {
	r := newRig(t)
	r.start()
	r.breakWrites(s3test.Fault{Status: 503, Code: "SlowDown"})
	r.save("movie.mp4", "moving pictures")
	near, far := openTerminal(t)
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
