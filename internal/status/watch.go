package status

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

	"mcfs/internal/human"
)

// watchEvery is how often Watch looks.
const watchEvery = time.Second

// display shows one status after the other.
type display interface {
	show(all []Report, now time.Time) error
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

// Watch shows the status every second until ctx ends: in place on a terminal, else what
// has changed, as lines or as JSON documents.
func Watch(ctx context.Context, s Survey, out io.Writer, asJSON bool) error {
	d := newDisplay(out, asJSON)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		all, err := s.Reports(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && len(all) == 0:
			return err
		}
		if err := d.show(all, time.Now()); err != nil {
			return err // the reader has gone
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// documents is a display that prints a JSON document whenever something has changed.
type documents struct {
	out  io.Writer
	last []byte
}

func (d *documents) show(all []Report, now time.Time) error {
	bare, err := json.Marshal(newDocument(all, time.Time{}))
	if err != nil || bytes.Equal(bare, d.last) {
		return err
	}
	d.last = bare
	line, err := json.Marshal(newDocument(all, now))
	if err != nil {
		return err
	}
	_, err = d.out.Write(append(line, '\n'))
	return err
}

// chronicle is a display that prints a line for each change.
type chronicle struct {
	out  io.Writer
	last map[string]string // what was said, by mount and item
}

func (c *chronicle) show(all []Report, now time.Time) error {
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

// tell fills in the lines of a mount. Those of a mount that cannot be asked stay the same.
func (c *chronicle) tell(said map[string]string, r Report, now time.Time) {
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

// news returns the lines that have changed, and one for each that is no longer true.
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

// steps returns how far an upload is in tenths, so that its line changes seldom.
func (i item) steps() string {
	if !i.bar {
		return ""
	}
	return fmt.Sprintf("%d0%% sent", int(i.part*10))
}
