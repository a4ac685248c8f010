package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"mcfs/internal/feed"
	"mcfs/internal/human"
)

// Pipeline is where the lines of a mount go.
type Pipeline struct {
	Types    []string // of lines about files; none: all
	Command  string   // of the shell, for each; "": they are printed
	Out, Err io.Writer

	Ran, Failed int // commands

	grace time.Duration // in place of commandGrace, for tests
}

// Take prints a line, or runs the command for it. Its error ends the listening.
func (p *Pipeline) Take(ctx context.Context, text json.RawMessage) error {
	var l feed.Line
	if err := json.Unmarshal(text, &l); err != nil {
		return fmt.Errorf("line of the daemon: %w", err)
	}
	ofFile := slices.Contains(feed.Kinds(), l.Type)
	switch {
	case ofFile && len(p.Types) > 0 && !slices.Contains(p.Types, l.Type):
		return nil
	case p.Command == "":
		_, err := p.Out.Write(append(text, '\n'))
		return err
	case !ofFile && !l.IsMissed():
		return nil
	}
	p.Ran++
	if err := p.runFor(ctx, l, text); err != nil {
		p.Failed++
		fmt.Fprintln(p.Err, "mcfs:", human.OneLine(fmt.Errorf("%s %s: %w", l.Type, l.Path, err)))
	}
	return context.Cause(ctx)
}
