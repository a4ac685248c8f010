package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/internal/human"
	"mcfs/internal/jobinput"
	"mcfs/internal/paths"
	"mcfs/internal/progress"
	"mcfs/internal/stored"
	"mcfs/internal/verdict"
	"mcfs/mediaconvert/batch"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
	"mcfs/mediaconvert/report"
	"mcfs/mediaconvert/wire"
	"mcfs/store"
)

// errSkipped is a file in a directory that is to have no job.
var errSkipped = errors.New("skipped")

// batched makes a job of each of many files.
type batched struct {
	s        service
	f        jobFlags
	o        document.Options
	spelling wire.Case
	read     *jobinput.Reader
	std      stdio
	outputs  *batch.Outputs
	bar      *progress.Bar

	mu    sync.Mutex // also of what is printed
	count batch.Tally
}

// runBatch makes, prints or submits a job for each file that a source names.
func runBatch(parent context.Context, b *batched, source paths.Source) error {
	ctx, stop := untilSignal(parent)
	defer stop()
	b.outputs = batch.NewOutputs()
	std := b.std
	b.bar = new(progress.Bar)
	if !b.s.flags.json {
		b.bar = progress.Start(std.err, "file")
		b.std.out, b.std.err = b.bar.Above(std.out), b.bar.Above(std.err)
	}
	stopCounting := b.countAll(ctx, source)
	err := batch.Run(ctx, b.f.parallel, source.Each, b.do)
	stopCounting()
	b.bar.Stop()
	b.std = std
	return b.end(err)
}

// countAll counts the files of a source for whoever looks at the bar, until stop is called.
func (b *batched) countAll(parent context.Context, source paths.Source) (stop func()) {
	ctx, cancel := context.WithCancel(parent)
	if !b.bar.Shown() || source.List == "-" {
		return cancel
	}
	go func() { // a directory may hang, and then it ends with the process
		n := 0
		err := source.Each(ctx, func(paths.Found) bool { n++; return ctx.Err() == nil })
		if err == nil && ctx.Err() == nil {
			b.bar.Total(n)
		}
	}()
	return cancel
}

// do makes the job of one file, tells what has become of it, and reports whether nobody answered.
func (b *batched) do(ctx context.Context, f paths.Found) (away bool) {
	l, why, err := report.Line{Type: "item", Path: f.Path}, []string(nil), f.Err
	if err == nil {
		l, why, err = b.make(ctx, f)
	}
	if _, signal := errors.AsType[signalled](context.Cause(ctx)); signal && err != nil && statusOf(err) == exitFailed {
		return false // it was not begun, or the same command finds its job
	}
	if errors.Is(context.Cause(ctx), batch.ErrAway) && errors.Is(err, context.Canceled) {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.bar.Done()
	b.tell(l, why, err)
	b.add(l, err)
	return jobs.Unreachable(err) || errors.Is(err, store.ErrUnavailable)
}

// make makes the job of one file.
func (b *batched) make(ctx context.Context, f paths.Found) (l report.Line, why []string, err error) {
	l = report.Line{Type: "item", Path: f.Path}
	in, err := b.read.Read(ctx, f.Path)
	if f.Walked && err != nil && (errors.Is(err, stored.ErrLink) || b.read.IsLocal(ctx, f.Path)) {
		return l, nil, errSkipped
	}
	if err != nil {
		return l, nil, err
	}
	o := b.o
	o.Volumes, o.Output = append(o.Volumes[:len(o.Volumes):len(o.Volumes)], in.Volume), batch.Placed(o.Output, in.Volume, in.Settings.FileInput)
	d, err := document.Build([]document.Input{in.Input}, o)
	if err != nil {
		return l, nil, err
	}
	l.Warnings = d.Warnings
	if err := b.outputs.Take(d); err != nil {
		return l, nil, verdict.Errorf(verdict.SameOutput, "put {dir}, {name} or {file} into --output", "%w", err)
	}
	if !b.f.submit {
		text, err := d.JSON(b.spelling)
		if err != nil {
			return l, nil, err
		}
		var line bytes.Buffer
		err = json.Compact(&line, text)
		l.Document = line.Bytes()
		return l, nil, err
	}
	if err := jobs.Ready(d); err != nil {
		return l, nil, err
	}
	s := b.s
	s.path, s.reread = f.Path, jobinput.Inputs{in}.Reread
	return b.submit(ctx, s, d)
}

// submit makes or finds the job of a document, and follows it.
func (b *batched) submit(ctx context.Context, s service, d document.Document) (l report.Line, why []string, err error) {
	l = report.Line{Type: "item", Path: s.path, Warnings: d.Warnings}
	submitter := jobs.Submitter{API: s.api, Pace: s.pace(), Again: b.f.again}
	if b.f.dryRun {
		j, err := submitter.Find(ctx, d)
		if err != nil || j == nil {
			return l, nil, err
		}
		l = s.lineOf("item", *j)
		l.Adopted = true
		return l, nil, nil
	}
	made, err := submitter.Submit(ctx, d)
	if err != nil {
		return l, nil, err
	}
	j, id, how := made.Job, aws.ToString(made.Job.Id), "created"
	if made.Adopted {
		how = "there already"
	}
	b.mu.Lock()
	s.say(b.std, "%s: job %s is %s", s.path, id, how)
	b.mu.Unlock()
	if !b.f.detach {
		if j, err = s.await(ctx, id, b.progress(s)); err != nil {
			l.ID, l.Adopted = id, made.Adopted
			return l, nil, err
		}
	}
	l, why = s.ending(ctx, "item", j)
	l.Adopted, l.Warnings = made.Adopted, append(l.Warnings, d.Warnings...)
	return l, why, s.outcome(j)
}

// progress tells a program how a job goes. A person would lose the thread among many.
func (b *batched) progress(s service) func(jobs.State) {
	return func(state jobs.State) {
		if s.flags.json && !jobs.Ended(state.Status) {
			b.mu.Lock()
			defer b.mu.Unlock()
			s.tell(state, b.std)
		}
	}
}

// tell prints what has become of a file.
func (b *batched) tell(l report.Line, why []string, err error) {
	if errors.Is(err, errSkipped) {
		return
	}
	if b.s.flags.json {
		if err != nil && statusOf(err) != exitRunning {
			failure := lineOfError(err)
			failure.Type = ""
			l.Failure = failure
		}
		fmt.Fprintln(b.std.out, l.JSON())
		return
	}
	for _, w := range l.Warnings {
		b.s.say(b.std, "%s: warning: %s", l.Path, w)
	}
	for _, text := range why {
		b.s.say(b.std, "%s: %s", l.Path, text)
	}
	switch {
	case b.f.detach && statusOf(err) == exitRunning: // which was asked for
	case err != nil:
		text := human.OneLine(err)
		if !strings.HasPrefix(text, l.Path) {
			text = l.Path + ": " + text
		}
		b.s.say(b.std, "%s", text)
	case l.Document != nil:
		fmt.Fprintln(b.std.out, string(l.Document))
	case b.f.dryRun && l.ID == "":
		b.s.say(b.std, "%s: a job would be created", l.Path)
	case b.f.dryRun:
		b.s.say(b.std, "%s: job %s is there already: %s", l.Path, l.ID, strings.ToLower(l.Status))
	}
	if b.f.detach && l.ID != "" && l.Document == nil {
		fmt.Fprintln(b.std.out, l.ID)
	}
	for _, address := range l.Outputs {
		fmt.Fprintln(b.std.out, human.Printable(address))
	}
}

// add counts a file.
func (b *batched) add(l report.Line, err error) {
	c := &b.count
	if errors.Is(err, errSkipped) {
		c.Skipped++
		return
	}
	c.Files++
	switch status := statusOf(err); {
	case status == exitRunning, status > exitSignal:
		c.Running++
	case status == exitJobError:
		c.Error++
	case status == exitJobCanceled:
		c.Canceled++
	case err != nil:
		c.Failed++
	case l.Document != nil:
		c.Printed++
	case b.f.dryRun && l.ID == "":
		c.Would++
	case !jobs.Ended(types.JobStatus(l.Status)):
		c.Running++ // which --dry-run has found
	default:
		c.Complete++
	}
}

// end prints the tally. Its error is the exit status.
func (b *batched) end(err error) error {
	c := b.count
	if b.s.flags.json {
		fmt.Fprintln(b.std.out, c.JSON())
	}
	const again = "run the same command again, which finds the jobs that were made"
	if sig, ok := errors.AsType[signalled](err); ok {
		return statusError{verdict.With(fmt.Errorf("interrupted: %s; jobs that were made go on: %s", c, again), verdict.Interrupted, again), exitSignal + int(sig.sig)}
	}
	if errors.Is(err, batch.ErrAway) {
		err = verdict.Errorf(verdict.Unreachable, "look at the network, --endpoint and the region, and "+again, "given up, since %w: %s", batch.ErrAway, c)
	}
	if errors.Is(err, paths.ErrTooLong) {
		err = usageError{verdict.Errorf(verdict.Usage, "write a path a line, or with -0 a NUL after each", "%w", err)}
	}
	err = errors.Join(err, outcomeOf(c, err != nil))
	if err == nil && b.f.submit {
		b.s.say(b.std, "%s", c)
	}
	return err
}

// outcomeOf is the error that is the exit status. broken says that not all files were looked at.
func outcomeOf(c batch.Tally, broken bool) error {
	bad := c.Error + c.Canceled + c.Failed
	text := verdict.With(fmt.Errorf("not all is done: %s", c), verdict.Some, "do as the messages say, and run the same command again")
	switch {
	case bad == 0 && !broken && c.Running > 0:
		return statusError{verdict.With(fmt.Errorf("jobs still run: %s", c), verdict.JobRunning, "run the same command again, or see mcfs job list"), exitRunning}
	case bad == 0:
		return nil
	case bad < c.Files:
		return statusError{text, exitSome}
	case c.Error == c.Files:
		return statusError{text, exitJobError}
	case c.Canceled == c.Files:
		return statusError{text, exitJobCanceled}
	}
	return statusError{text, exitFailed}
}
