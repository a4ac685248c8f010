package progress

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mcfs/internal/terminaltest"
)

// TestOnATerminal: the bar says how far it is, a line that is printed meanwhile stays, and the bar
// is gone at the end. No colour is used.
func TestOnATerminal(t *testing.T) {
	near, far := terminaltest.Open(t)
	if err := near.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
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
