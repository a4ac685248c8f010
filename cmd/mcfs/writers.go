package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mcfs/internal/human"
	"mcfs/volume"
)

// releaseGrace is how long the kernel may take to tell of a file that a program had
// open and closed just before.
const releaseGrace = time.Second

// unused returns nil when nothing is open for writing: an error at once if something
// is, or, to one who waits, when ctx ends. Once the mount ends it is too late to ask.
func (d *daemon) unused(ctx context.Context, wait bool, tell func(string)) error {
	if d.ending.Load() {
		return nil
	}
	if wait {
		return inUse(d.volume.AwaitWriters(ctx.Done(), func(list []volume.Writer) {
			text := "waiting until it is closed: " + writersText(list)
			d.log.Info(text)
			notify("STATUS=" + text) // which systemctl status shows
			tell(text)
		}))
	}
	ctx, cancel := context.WithTimeout(ctx, releaseGrace)
	defer cancel()
	return inUse(d.volume.AwaitWriters(ctx.Done(), nil))
}

func inUse(list []volume.Writer) error {
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("in use by %s: close it, or wait for that with --wait; --now cuts it off", writersText(list))
}

// cutOff names what the end of the mount has left unfinished.
func cutOff(list []volume.Writer) error {
	return fmt.Errorf("cut off while it was being written by %s: what was written is in the spool and not uploaded; save it again in the next mount, or have it committed as it is with mcfs sync and its path", writersText(list))
}

// writersText is in one line who writes what.
func writersText(list []volume.Writer) string {
	const most = 5
	var names []string
	for _, w := range list[:min(most, len(list))] {
		names = append(names, human.Quoted(w.String()))
	}
	if more := len(list) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
