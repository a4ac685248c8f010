package progress

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal makes a terminal of 100 by 24 characters: what is written to its far end is read
// from its near one.
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
	if err := near.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// TestOnATerminal: the bar says how far it is, a line that is printed meanwhile stays, and the bar
// is gone at the end. No colour is used.
func TestOnATerminal(t *testing.T) {
	near, far := openTerminal(t)
	said, buf := "", make([]byte, 4096)
	until := func(wants ...string) {
		t.Helper()
		for _, want := range wants {
			for !strings.Contains(said, want) {
				n, err := near.Read(buf)
				if said += string(buf[:n]); err != nil {
					t.Fatalf("%v, after %q, without %q", err, said, want)
				}
			}
		}
	}
	b := Start(far, "file")
	if !b.Shown() {
		t.Fatal("no bar is shown")
	}
	until("0 files")
	b.Done()
	b.Total(3)
	until("1 of 3 files, ", " a minute, ", " left")
	fmt.Fprintln(b.Above(far), "a line")
	until("a line\r\n")
	b.Done()
	until("2 of 3 files")
	b.Stop()
	fmt.Fprintln(far, "the end")
	until("the end\r\n")
	_, last, _ := strings.Cut(said, "2 of 3 files")
	if i := strings.LastIndex(last, "2 of 3 files"); i >= 0 {
		last = last[i:]
	}
	if !strings.Contains(last, "\x1b[J") && !strings.Contains(last, "\x1b[0J") && !strings.Contains(last, "\x1b[K") {
		t.Errorf("the bar is not taken away: %q", last)
	}
	if strings.Contains(said, "m\x1b") || strings.Contains(said, "\x1b[3") {
		t.Errorf("colours: %q", said)
	}
}
