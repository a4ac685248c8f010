package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"mcfs/internal/control"
)

// Print prints the status once, as lines or as a JSON document. Its error names the
// daemons that do not answer.
func Print(ctx context.Context, s Survey, out io.Writer, asJSON bool) error {
	all, err := s.Reports(ctx)
	if err != nil && len(all) == 0 {
		return err
	}
	now := time.Now()
	if asJSON {
		text, jerr := json.MarshalIndent(newDocument(all, now), "", "  ")
		if jerr != nil {
			return jerr
		}
		_, jerr = fmt.Fprintf(out, "%s\n", text)
		return errors.Join(err, jerr, silent(all))
	}
	for _, line := range Lines(all, now) {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return errors.Join(err, silent(all))
}

// known is an error that says in its own words what another one stands for.
type known struct {
	text string
	kind error
}

func (e known) Error() string { return e.text }
func (e known) Unwrap() error { return e.kind }

// silent is the error of daemons that do not answer.
func silent(all []Report) error {
	var errs []error
	for _, r := range all {
		if r.State == Silent {
			errs = append(errs, known{fmt.Sprintf("the daemon of %s %s", r.Mountpoint, r.Note), control.ErrNoDaemon})
		}
	}
	return errors.Join(errs...)
}
