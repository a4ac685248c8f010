package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mcfs/internal/jobinput"
	"mcfs/internal/paths"
	"mcfs/internal/terminaltest"
)

var moves = regexp.MustCompile(`\x1b\[(\d*)([A-Z])|\r\n|[^\x1b\r]+`)

// screenOf is what a terminal shows after a text whose only commands are those to go up and to
// clear what follows.
func screenOf(t *testing.T, text string) (lines []string) {
	t.Helper()
	lines, row := []string{""}, 0
	for _, m := range moves.FindAllStringSubmatch(text, -1) {
		switch {
		case m[2] == "A":
			n := 1
			fmt.Sscan(m[1], &n)
			row -= n
		case m[2] == "J":
			lines = append(lines[:row], "")
		case m[2] != "":
			t.Fatalf("%q is no command that is known here", m[0])
		case m[0] == "\r\n":
			if row++; row == len(lines) {
				lines = append(lines, "")
			}
		default:
			lines[row] += m[0]
		}
	}
	return lines[:len(lines)-1]
}

// TestBatchOnATerminal: every line about a file stays whole above the bar, which is there while
// there is work, and gone when the command ends.
func TestBatchOnATerminal(t *testing.T) {
	near, far := terminaltest.Open(t)
	if err := near.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	said, shown := make(chan string), make(chan struct{})
	go func() { // ends with the last line
		var b strings.Builder
		seen := false
		for buf := make([]byte, 4096); !strings.Contains(b.String(), "the end\r\n"); {
			n, err := near.Read(buf)
			b.Write(buf[:n])
			if err != nil {
				break
			}
			if !seen && strings.Contains(b.String(), "30 files, ") {
				seen = true
				close(shown)
			}
		}
		said <- b.String()
	}()
	list, write := io.Pipe()
	const files = 60
	go func() { // ends with the list
		for i := range files {
			if i == files/2 {
				<-shown
			}
			fmt.Fprintf(write, "/absent/%02d.mov\n", i)
		}
		write.Close()
	}()
	b := &batched{f: jobFlags{parallel: 4}, read: &jobinput.Reader{Open: openStored}, std: stdio{out: far, err: far}}
	if err := runBatch(t.Context(), b, paths.Source{List: "-", In: list}); statusOf(err) != exitFailed || b.std.err != far {
		t.Errorf("%v", err)
	}
	fmt.Fprintln(far, "the end")
	screen := screenOf(t, <-said)
	want := []string{"the end"}
	for i := range files {
		want = append(want, fmt.Sprintf("/absent/%02d.mov: job: stat /absent/%02[1]d.mov: no such file or directory", i))
	}
	slices.Sort(want)
	slices.Sort(screen)
	if !slices.Equal(screen, want) {
		t.Errorf("shown is\n%s", strings.Join(screen, "\n"))
	}
}
