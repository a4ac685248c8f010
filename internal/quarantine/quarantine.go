package quarantine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"mcfs/config"
	"mcfs/fs"
	"mcfs/internal/backend"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
	"mcfs/internal/status"
	"mcfs/internal/verdict"
	"mcfs/spool"
)

// Command is one that is about a quarantine.
type Command struct {
	Config   config.Config
	JSON     bool // a program reads
	In       io.Reader
	Out, Err io.Writer
}

// done is the document of what was done with one file, or would be.
type done struct {
	V        int    `json:"v"`
	Type     string `json:"type"` // summary
	ID       string `json:"id"`
	Path     string `json:"path,omitempty"` // that it had, in the volume
	Size     int64  `json:"size,omitempty"` // of the content, as far as that is known
	Mount    string `json:"mountpoint,omitempty"`
	Restored string `json:"restored,omitempty"` // the path that it has now
	Exported string `json:"exported,omitempty"` // to which file
	Removed  bool   `json:"removed,omitempty"`
	DryRun   bool   `json:"dry_run,omitempty"` // nothing was done
	Torn     bool   `json:"torn,omitempty"`    // what was written last is missing
	Lacks    []lack `json:"lacks,omitempty"`
}

// tell prints a document for a program, or text for a person.
func (c Command) tell(d done, text string) error {
	if c.JSON {
		d.V, d.Type = 1, "summary"
		return json.NewEncoder(c.Out).Encode(d)
	}
	_, err := fmt.Fprintln(c.Out, text)
	return err
}

// find returns what an id stands for.
func (c Command) find(id string) (spool.Quarantined, error) {
	q, err := spool.FindQuarantined(c.Config.Spool.Dir, id)
	if errors.Is(err, spool.ErrNoneSuch) {
		err = verdict.Errorf(verdict.NotInQuarantine, "see `mcfs quarantine list`", "%w", err)
	}
	return q, err
}

// List prints what lies there.
func (c Command) List(ctx context.Context) error {
	list, err := spool.ListQuarantine(c.Config.Spool.Dir)
	if err != nil {
		return err
	}
	c.findPaths(ctx, list)
	if c.JSON {
		return json.NewEncoder(c.Out).Encode(struct {
			Version int                 `json:"version"`
			Spool   string              `json:"spool"`
			Items   []spool.Quarantined `json:"items"`
		}{1, c.Config.Spool.Dir, append([]spool.Quarantined{}, list...)})
	}
	if len(list) == 0 {
		fmt.Fprintln(c.Out, "nothing is in quarantine")
	}
	for _, q := range list {
		fmt.Fprintln(c.Out, line(q, time.Now()))
	}
	return nil
}

// line is what a person reads of one file.
func line(q spool.Quarantined, now time.Time) string {
	path, size := "(path unknown)", human.Size(q.Bytes)+" on the disk"
	if q.Path != "" {
		path = human.Quoted(q.Path)
	}
	if q.Size > 0 {
		size = human.Size(q.Size)
	}
	return fmt.Sprintf("%s  %s  %s, since %s: %s", q.ID, path, size, human.Clock(q.At, now), human.Quoted(q.Why))
}

// findPaths fills in the paths of files that an older program has set aside without a note
// of them. They are sealed in the files, so the keeper is asked for their keys; if that
// fails a path stays unknown.
func (c Command) findPaths(ctx context.Context, list []spool.Quarantined) {
	if !slices.ContainsFunc(list, func(q spool.Quarantined) bool { return q.Path == "" }) {
		return
	}
	unwrap, err := c.unwrapper(ctx)
	if err != nil {
		return
	}
	for i, q := range list {
		if q.Path != "" {
			continue
		}
		if s, err := spool.OpenSalvage(q, unwrap); err == nil {
			list[i].Path, list[i].Size = s.Header.Path, s.Size
			s.Close()
		}
	}
}

// keyTimeout bounds the unwrapping of one data key.
const keyTimeout = 30 * time.Second

// unwrapper returns the configured keeper's unwrapping of data keys. It needs no store.
func (c Command) unwrapper(ctx context.Context) (spool.Unwrap, error) {
	k, err := backend.Keeper(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	return func(wrapped []byte, keyID string) ([]byte, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, keyTimeout, errors.New("no answer in time"))
		defer cancel()
		return k.Unwrap(ctx, wrapped, keyID)
	}, nil
}

// Restore asks the daemon that has the spool to restore a file. With dry it only says where to.
func (c Command) Restore(ctx context.Context, id string, dry bool) error {
	q, err := c.find(id)
	if err != nil {
		return err
	}
	list := fs.Mounts()
	for _, at := range slices.Sorted(maps.Keys(list)) {
		daemon := mounts.Daemon(at, list[at])
		r, err := status.Ask(ctx, daemon, "")
		if err != nil || mounts.Real(r.Spool) != mounts.Real(c.Config.Spool.Dir) {
			continue
		}
		d := done{ID: q.ID, Path: q.Path, Size: q.Size, Mount: at, DryRun: dry}
		if dry {
			return c.tell(d, fmt.Sprintf("%s\nwould be restored into %s", line(q, time.Now()), human.Quoted(at)))
		}
		said := ""
		d.Restored, err = daemon.Restore(ctx, q.ID, func(text string) { said = human.Printable(text) })
		if err != nil {
			return err
		}
		return c.tell(d, said)
	}
	return verdict.Errorf(verdict.NotMounted, "mount it first, since its other files tell which names are free", "restore %s: the volume is not mounted, or its daemon does not answer", q.ID)
}

// Remove deletes a file for good, after a question, which yes answers. With dry it only says so.
func (c Command) Remove(id string, yes, dry bool) error {
	q, err := c.find(id)
	if err != nil {
		return err
	}
	d := done{ID: q.ID, Path: q.Path, Size: q.Size, Removed: !dry, DryRun: dry}
	if dry {
		return c.tell(d, line(q, time.Now())+"\nwould be removed")
	}
	if err := c.confirm(q, yes); err != nil {
		return err
	}
	if err := q.Remove(); err != nil {
		return err
	}
	return c.tell(d, "removed "+q.ID)
}

// confirm asks whether to delete a file. No program is asked.
func (c Command) confirm(q spool.Quarantined, yes bool) error {
	switch {
	case yes:
		return nil
	case c.JSON:
		return verdict.Errorf(verdict.Unconfirmed, "give --yes", "%s is not removed: with --json nobody is asked", q.ID)
	}
	fmt.Fprintf(c.Err, "%s\nDelete it for good? [y/N] ", line(q, time.Now()))
	text, err := bufio.NewReader(c.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer := strings.ToLower(strings.TrimSpace(text)); answer != "y" && answer != "yes" {
		return verdict.Errorf(verdict.Unconfirmed, "answer y, or give --yes", "%s is not removed", q.ID)
	}
	return nil
}
