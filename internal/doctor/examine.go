package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Verdict is how a check ended.
type Verdict string

// The verdicts.
const (
	OK   Verdict = "ok"
	Warn Verdict = "warn"
	Fail Verdict = "FAIL"
)

// Finding is what a check has found.
type Finding struct {
	Check   string
	Verdict Verdict
	What    string
	Cure    string
	Fixed   bool // it was amiss, and Fix has mended it
}

// Check is one thing that is looked at.
type Check struct {
	Name  string
	Needs []string // checks without which this one would fail for their fault
	Run   func(context.Context) Finding
	Fix   func(context.Context) error // nil where nothing on this machine would mend it
}

// Options of an examination.
type Options struct {
	Fix      bool
	Deadline time.Duration // of one check; defaults to 30 s
}

const defaultDeadline = 30 * time.Second

// Result is an examination's.
type Result struct {
	Count    map[Verdict]int
	NotAsked []string // checks whose need has failed
}

// Examine makes the checks in turn, and tells of each. It ends early with ctx.
func Examine(ctx context.Context, checks []Check, o Options, tell func(Finding)) Result {
	if o.Deadline <= 0 {
		o.Deadline = defaultDeadline
	}
	r := Result{Count: make(map[Verdict]int)}
	var missing []string
	for _, c := range checks {
		if ctx.Err() != nil {
			return r
		}
		if slices.ContainsFunc(c.Needs, func(need string) bool { return slices.Contains(missing, need) }) {
			missing = append(missing, c.Name)
			r.NotAsked = append(r.NotAsked, c.Name)
			continue
		}
		f := c.examine(ctx, o)
		if ctx.Err() != nil && f.Verdict == Fail {
			return r // its failure is that it was interrupted
		}
		if f.Verdict == Fail {
			missing = append(missing, c.Name)
		}
		r.Count[f.Verdict]++
		tell(f)
	}
	return r
}

// examine makes one check, and again after its fix.
func (c Check) examine(ctx context.Context, o Options) Finding {
	f := c.once(ctx, o.Deadline)
	if f.Verdict == OK || c.Fix == nil || !o.Fix {
		return f
	}
	limited, cancel := limit(ctx, o.Deadline)
	defer cancel()
	if err := c.Fix(limited); err != nil {
		f.What += fmt.Sprintf("; it could not be mended: %v", err)
		return f
	}
	after := c.once(ctx, o.Deadline)
	after.Fixed = after.Verdict == OK || f.Verdict == Fail && after.Verdict == Warn
	return after
}

func (c Check) once(ctx context.Context, deadline time.Duration) Finding {
	limited, cancel := limit(ctx, deadline)
	defer cancel()
	f := c.Run(limited)
	f.Check = c.Name
	return f
}

func limit(ctx context.Context, deadline time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, deadline, errors.New("no answer in time"))
}

func ok(format string, args ...any) Finding {
	return Finding{Verdict: OK, What: fmt.Sprintf(format, args...)}
}

func warn(cure, format string, args ...any) Finding {
	return Finding{Verdict: Warn, What: fmt.Sprintf(format, args...), Cure: cure}
}

func fail(cure, format string, args ...any) Finding {
	return Finding{Verdict: Fail, What: fmt.Sprintf(format, args...), Cure: cure}
}
