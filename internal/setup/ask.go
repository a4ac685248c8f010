package setup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Terminal is somebody who can be asked.
type Terminal struct {
	In  *bufio.Reader
	Out io.Writer
}

// ErrNoAnswer: the questions ended before they were answered.
var ErrNoAnswer = errors.New("no answer came")

// Ask asks until there is an answer; an empty one is the default. It ends with ctx.
func (t Terminal) Ask(ctx context.Context, question, standard string) (string, error) {
	for {
		fmt.Fprint(t.Out, question)
		if standard != "" {
			fmt.Fprintf(t.Out, " [%s]", standard)
		}
		fmt.Fprint(t.Out, ": ")
		answer, err := t.line(ctx)
		if err != nil {
			return "", err
		}
		if answer == "" {
			answer = standard
		}
		if answer == none {
			return "", nil
		}
		if answer != "" {
			return answer, nil
		}
	}
}

// none is the answer that nothing is wanted.
const none = "-"

// line reads one. A read from a terminal cannot be ended: when ctx ends, it is left to the end of
// the process.
func (t Terminal) line(ctx context.Context) (string, error) {
	type read struct {
		text string
		err  error
	}
	came := make(chan read, 1)
	go func() {
		text, err := t.In.ReadString('\n')
		came <- read{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(t.Out)
		return "", context.Cause(ctx)
	case r := <-came:
		if r.err != nil {
			fmt.Fprintln(t.Out)
			return "", fmt.Errorf("%w: %w", ErrNoAnswer, r.err)
		}
		return strings.TrimSpace(r.text), nil
	}
}
