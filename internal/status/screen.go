package status

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// screen is a display that redraws a terminal in place.
type screen struct {
	out   io.Writer
	size  func() (width, height int)
	drawn int // lines
}

// The terminal must not break long lines, since they would take more than one row.
const (
	wrapOff = "\x1b[?7l"
	wrapOn  = "\x1b[?7h"
)

func (s *screen) show(all []Report, now time.Time) error {
	width, height := s.size()
	var lines []string
	for _, r := range all {
		lines = append(lines, r.head())
		for _, i := range r.items(now) {
			lines = append(lines, i.drawn(width))
		}
	}
	lines = append(lines, nothing(all)...)
	if room := max(2, height) - 1; len(lines) > room {
		more := len(lines) - room + 1
		lines = append(lines[:room-1], fmt.Sprintf("  and %d lines more: make the window taller", more))
	}
	var b strings.Builder
	b.WriteString(wrapOff)
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn) // up
	}
	b.WriteString("\r\x1b[J") // clear what follows
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	b.WriteString(wrapOn)
	s.drawn = len(lines)
	_, err := io.WriteString(s.out, b.String())
	return err
}

// drawn returns the item's line, with a bar if a part of it is done.
func (i item) drawn(width int) string {
	if !i.bar {
		return i.line()
	}
	room := min(max(width/5, 10), 40)
	full := min(int(i.part*float64(room)), room)
	bar := strings.Repeat("#", full) + strings.Repeat("-", room-full)
	return fmt.Sprintf("  %-12s [%s] %s", i.kind, bar, i.text(i.now))
}

// windowOf returns the size of a terminal, in characters; an error if f is none.
func windowOf(f *os.File) (width, height int, err error) {
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, err
	}
	return int(w.Col), int(w.Row), nil
}
