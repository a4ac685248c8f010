package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"path"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/internal/human"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
	"mcfs/mediaconvert/wire"
	"mcfs/store"
)

// errAway ends a batch of which nothing can be done.
var errAway = errors.New("nobody answers")

// errSkipped is a file in a directory that is to have no job.
var errSkipped = errors.New("skipped")

// batch makes a job of each of many files. It remembers of a file that is done no more than a
// number for each of its outputs.
type batch struct {
	s        service
	f        jobFlags
	o        document.Options
	spelling wire.Case
	read     *inputReader
	std      stdio
	giveUp   context.CancelCauseFunc
	seed     maphash.Seed

	mu    sync.Mutex        // also of what is printed
	taken map[uint64]uint64 // the file of each output, both by hash
	count tally
	away  int // files in a row for which nobody answered
}

// tally is what has become of the files.
type tally struct {
	V        int    `json:"v"`
	Type     string `json:"type"`
	Files    int    `json:"files"`
	Printed  int    `json:"printed,omitempty"`
	Would    int    `json:"would_create,omitempty"`
	Complete int    `json:"complete,omitempty"`
	Running  int    `json:"running,omitempty"`
	Error    int    `json:"error,omitempty"`
	Canceled int    `json:"canceled,omitempty"`
	Failed   int    `json:"failed,omitempty"`
	Skipped  int    `json:"skipped,omitempty"`

	damaged int // of the failed
}

// runBatch makes, prints or submits a job for each file that a source names.
func runBatch(parent context.Context, s service, b *batch, source pathSource) error {
	signals, stop := untilSignal(parent)
	defer stop()
	ctx, giveUp := context.WithCancelCause(signals)
	defer giveUp(nil)
	b.s, b.giveUp, b.taken, b.seed = s, giveUp, make(map[uint64]uint64), maphash.MakeSeed()
	work := make(chan found)
	var workers sync.WaitGroup
	for range b.f.parallel {
		workers.Go(func() {
			for f := range work {
				b.do(ctx, f)
			}
		})
	}
	err := feed(ctx, source, work)
	close(work)
	workers.Wait()
	return b.end(context.Cause(ctx), err)
}

// feed hands out what a source names, until ctx ends.
func feed(ctx context.Context, source pathSource, work chan<- found) error {
	next, ended := make(chan found), make(chan error, 1)
	go func() { // may wait for standard input, and then ends with the process
		ended <- source.each(ctx, func(f found) bool {
			select {
			case next <- f:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	for ctx.Err() == nil {
		select {
		case f := <-next:
			select {
			case work <- f:
			case <-ctx.Done():
			}
		case err := <-ended:
			return err
		case <-ctx.Done():
		}
	}
	return nil
}

// do makes the job of one file, and tells what has become of it.
func (b *batch) do(ctx context.Context, f found) {
	l, why, err := jobLine{Type: "item", Path: f.path}, []string(nil), f.err
	if err == nil {
		l, why, err = b.make(ctx, f)
	}
	if _, signal := errors.AsType[signalled](context.Cause(ctx)); signal && err != nil && statusOf(err) == exitFailed {
		return // it was not begun, or the same command finds its job
	}
	if errors.Is(context.Cause(ctx), errAway) && errors.Is(err, context.Canceled) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tell(l, why, err)
	b.add(l, err)
	if !jobs.Unreachable(err) && !errors.Is(err, store.ErrUnavailable) {
		b.away = 0
	} else if b.away++; b.away > 2*b.f.parallel {
		b.giveUp(errAway)
	}
}

// make makes the job of one file.
func (b *batch) make(ctx context.Context, f found) (l jobLine, why []string, err error) {
	l = jobLine{Type: "item", Path: f.path}
	in, err := b.read.read(ctx, f.path)
	if f.walked && err != nil && b.read.isLocal(ctx, f.path) {
		return l, nil, errSkipped
	}
	if err != nil {
		return l, nil, err
	}
	o := b.o
	o.Volumes, o.Output = append(o.Volumes[:len(o.Volumes):len(o.Volumes)], in.volume), placed(o.Output, in)
	d, err := document.Build([]document.Input{in.Input}, o)
	if err != nil {
		return l, nil, err
	}
	l.Warnings = d.Warnings
	if err := b.take(d); err != nil {
		return l, nil, err
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
	s.path, s.reread = f.path, jobInputs{in}.reread
	return b.submit(ctx, s, d)
}

// submit makes or finds the job of a document, and follows it.
func (b *batch) submit(ctx context.Context, s service, d document.Document) (l jobLine, why []string, err error) {
	l = jobLine{Type: "item", Path: s.path, Warnings: d.Warnings}
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
func (b *batch) progress(s service) func(jobs.State) {
	return func(state jobs.State) {
		if s.flags.json && !jobs.Ended(state.Status) {
			b.mu.Lock()
			defer b.mu.Unlock()
			s.tell(state, b.std)
		}
	}
}

// take refuses a job whose outputs would replace those of another file's.
func (b *batch) take(d document.Document) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	outputs, file := document.Outputs(d.Job.Settings), maphash.String(b.seed, aws.ToString(d.Job.Settings.Inputs[0].FileInput))
	for _, address := range outputs {
		if of, there := b.taken[maphash.String(b.seed, address)]; there && of != file {
			return failuref(codeSameOutput, "put {dir}, {name} or {file} into --output", "%s is the output of another file, too", address)
		}
	}
	for _, address := range outputs {
		b.taken[maphash.String(b.seed, address)] = file
	}
	return nil
}

// isLocal reports whether a file stays on this machine under its name.
func (r *inputReader) isLocal(ctx context.Context, path string) bool {
	mountpoint, inside, m, err := mountOf(path)
	if err != nil {
		return false
	}
	p, err := r.pendingIn(ctx, daemonOf(mountpoint, m))
	return err == nil && p.isLocal(inside)
}

// placed is an output's address with the place of an input in its volume: {dir} is its folder,
// {file} its name, {name} that without the extension.
func placed(output string, in jobInput) string {
	key := strings.TrimPrefix(in.Settings.FileInput, in.volume)
	dir, file := path.Split(key)
	if dir == "" {
		output = strings.ReplaceAll(output, "{dir}/", "")
	}
	return strings.NewReplacer("{dir}", strings.TrimSuffix(dir, "/"), "{file}", file, "{name}", strings.TrimSuffix(file, path.Ext(file))).Replace(output)
}

// tell prints what has become of a file.
func (b *batch) tell(l jobLine, why []string, err error) {
	if errors.Is(err, errSkipped) {
		return
	}
	if b.s.flags.json {
		if err != nil && statusOf(err) != exitRunning {
			failure := lineOfError(err)
			failure.Type = ""
			l.Failure = &failure
		}
		b.s.line(b.std, l)
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
func (b *batch) add(l jobLine, err error) {
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
		if status == exitDamage {
			c.damaged++
		}
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

// text is the tally for a person.
func (c tally) text() string {
	list := []string{human.Count(c.Files, "file")}
	for _, n := range []struct {
		n    int
		what string
	}{
		{c.Printed, "documents printed"}, {c.Would, "would have a job created"}, {c.Complete, "complete"}, {c.Running, "still running"},
		{c.Error, "ended in error"}, {c.Canceled, "cancelled"}, {c.Failed, "failed"}, {c.Skipped, "left out"},
	} {
		if n.n > 0 {
			list = append(list, fmt.Sprintf("%d %s", n.n, n.what))
		}
	}
	return strings.Join(list, ", ")
}

// end prints the tally. Its error is the exit status.
func (b *batch) end(cause, err error) error {
	c := b.count
	if c.V, c.Type = 1, "summary"; b.s.flags.json {
		text, merr := json.Marshal(c)
		if merr != nil {
			panic(merr) // it has only texts and numbers
		}
		fmt.Fprintln(b.std.out, string(text))
	}
	const again = "run the same command again, which finds the jobs that were made"
	if sig, ok := errors.AsType[signalled](cause); ok {
		return statusError{coded{fmt.Errorf("interrupted: %s; jobs that were made go on: %s", c.text(), again), codeInterrupted, again}, exitSignal + int(sig.sig)}
	}
	if errors.Is(cause, errAway) {
		err = errors.Join(err, failuref(codeUnreachable, "look at the network, --endpoint and the region, and "+again, "given up, since nobody answers: %s", c.text()))
	}
	err = errors.Join(err, c.outcome(err != nil))
	if err == nil && b.f.submit {
		b.s.say(b.std, "%s", c.text())
	}
	return err
}

// outcome is the error that is the exit status. broken says that not all files were looked at.
func (c tally) outcome(broken bool) error {
	bad := c.Error + c.Canceled + c.Failed
	text := coded{fmt.Errorf("not all is done: %s", c.text()), codeSome, "do as the messages say, and run the same command again"}
	switch {
	case bad == 0 && !broken && c.Running > 0:
		return statusError{coded{fmt.Errorf("jobs still run: %s", c.text()), codeJobRunning, "run the same command again, or see mcfs job list"}, exitRunning}
	case bad == 0:
		return nil
	case bad < c.Files:
		return statusError{text, exitSome}
	case c.Error == c.Files:
		return statusError{text, exitJobError}
	case c.Canceled == c.Files:
		return statusError{text, exitJobCanceled}
	case c.damaged == c.Files:
		return statusError{text, exitDamage}
	}
	return statusError{text, exitFailed}
}
