package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/internal/human"
)

// display shows one status after the other.
type display interface {
	show(all []report, now time.Time) error
	end()
}

func newDisplay(out io.Writer, asJSON bool) display {
	if asJSON {
		return &documents{out: out}
	}
	if f, ok := out.(*os.File); ok {
		if _, _, err := windowOf(f); err == nil {
			return &screen{out: f, size: func() (int, int) { w, h, _ := windowOf(f); return w, h }}
		}
	}
	return &chronicle{out: out}
}

// watchStatus shows the status until ctx ends.
func watchStatus(ctx context.Context, s survey, d display) error {
	defer d.end()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		all, err := s.reports(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && len(all) == 0:
			return err
		}
		if err := d.show(all, time.Now()); err != nil {
			return err // nobody reads on
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// documents are JSON, a line whenever something has changed.
type documents struct {
	out  io.Writer
	last []byte
}

func (d *documents) show(all []report, now time.Time) error {
	bare, err := json.Marshal(newStatusDocument(all, time.Time{}))
	if err != nil || bytes.Equal(bare, d.last) {
		return err
	}
	d.last = bare
	line, err := json.Marshal(newStatusDocument(all, now))
	if err != nil {
		return err
	}
	_, err = d.out.Write(append(line, '\n'))
	return err
}

func (*documents) end() {}

// chronicle is a line for each change.
type chronicle struct {
	out  io.Writer
	last map[string]string // what was said, by mount and item
}

func (c *chronicle) show(all []report, now time.Time) error {
	said := make(map[string]string)
	for _, r := range all {
		c.tell(said, r, now)
	}
	lines := c.news(said)
	c.last = said
	for _, line := range lines {
		if _, err := fmt.Fprintln(c.out, now.Format(time.TimeOnly), line); err != nil {
			return err
		}
	}
	return nil
}

// tell fills in what there is to be said of a mount. What cannot be asked stays as it was.
func (c *chronicle) tell(said map[string]string, r report, now time.Time) {
	where := human.Quoted(r.where())
	said[where] = r.head()
	for _, i := range r.items(now) {
		if !i.extra {
			said[where+"\x00"+i.key] = fmt.Sprintf("%s: %s %s", where, i.kind, i.text(i.steps()))
		}
	}
	for key, text := range c.last {
		if r.Status == nil && strings.HasPrefix(key, where+"\x00") {
			said[key] = text
		}
	}
}

// news are the lines that were not said yet, and what is not so any longer.
func (c *chronicle) news(said map[string]string) (lines []string) {
	for _, key := range slices.Sorted(maps.Keys(said)) {
		if c.last[key] != said[key] {
			lines = append(lines, said[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.last)) {
		if where, what, ok := strings.Cut(key, "\x00"); ok && said[key] == "" {
			lines = append(lines, fmt.Sprintf("%s: no longer: %s", where, human.Quoted(what)))
		}
	}
	return lines
}

// steps says how far an upload is in tenths, so that it does not say it every second.
func (i item) steps() string {
	if !i.bar {
		return ""
	}
	return fmt.Sprintf("%d0%% sent", int(i.part*10))
}

func (*chronicle) end() {}

// screen redraws a terminal in place.
type screen struct {
	out   io.Writer
	size  func() (width, height int)
	drawn int // lines
}

// The terminal must not break long lines: they would count as more than one.
const (
	wrapOff = "\x1b[?7l"
	wrapOn  = "\x1b[?7h"
)

func (s *screen) show(all []report, now time.Time) error {
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

func (*screen) end() {}

// drawn is the item's line, with a bar if part of it is done.
func (i item) drawn(width int) string {
	if !i.bar {
		return i.line()
	}
	room := min(max(width/5, 10), 40)
	full := min(int(i.part*float64(room)), room)
	bar := strings.Repeat("#", full) + strings.Repeat("-", room-full)
	return fmt.Sprintf("  %-12s [%s] %s", i.kind, bar, i.text(i.now))
}

// windowOf is the size of a terminal, in characters; an error: it is none.
func windowOf(f *os.File) (width, height int, err error) {
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, err
	}
	return int(w.Col), int(w.Row), nil
}
