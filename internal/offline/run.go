package offline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"mcfs/internal/human"
	"mcfs/internal/progress"
	"mcfs/internal/verdict"
	"mcfs/keys"
	"mcfs/mediaconvert/batch"
	"mcfs/store"
	"mcfs/volume/fetch"
)

// State is what has become of a file. No word of them is ever renamed.
type State string

// The states.
const (
	Done      State = "done"
	There     State = "there"      // already, and the same
	Would     State = "would"      // be done, but for --dry-run
	Skipped   State = "skipped"    // for what it is
	Sound     State = "sound"      // it was checked whole
	Unchecked State = "unchecked"  // nothing says what it should be
	Damaged   State = "damaged"    // it is not what was made
	Unsampled State = "not_looked" // at, by --sample
	Failed    State = "failed"
)

// Item is a file of a run and what has become of it.
type Item struct {
	Path    string // of the file on this machine; "": none
	Address string // in the volume
	State   State
	Size    int64
	Why     string // it was skipped, or is unchecked
	Err     error
}

// Options are those of all runs.
type Options struct {
	Parallel int
	DryRun   bool
	JSON     bool
	Out, Err io.Writer
	What     string           // is done, for a person: "encrypted"
	Quiet    bool             // nothing is said of a file with which all is well
	Report   func(Item) error // is told of each; nil: nobody
	Once     bool             // the files can be named only once
	Shard    Shard            // the part that is done
}

// run is a run under way.
type run struct {
	o   Options
	bar *progress.Bar

	mu    sync.Mutex
	count map[State]int
	bytes int64
	err   error // of the report
}

// each does what is to be done for each item that a source names, and says what came of it.
func each[T keyed](ctx context.Context, o Options, all func(context.Context, func(T) bool) error, do func(context.Context, T) Item) error {
	source := func(ctx context.Context, do func(T) bool) error {
		return all(ctx, func(item T) bool { return !o.Shard.has(item.shardKey()) || do(item) })
	}
	r := &run{o: o, bar: new(progress.Bar), count: make(map[State]int)}
	if !o.JSON {
		r.bar = progress.Start(o.Err, "file")
		r.o.Out, r.o.Err = r.bar.Above(o.Out), r.bar.Above(o.Err)
	}
	stopCounting := countAll(ctx, r, source)
	err := batch.Run(ctx, o.Parallel, source, func(ctx context.Context, item T) (away bool) {
		return r.done(ctx, do(ctx, item))
	})
	stopCounting()
	r.bar.Stop()
	r.o.Out, r.o.Err = o.Out, o.Err
	return r.end(err)
}

// countAll counts the files of a source for whoever looks at the bar, until stop is called.
func countAll[T any](parent context.Context, r *run, source func(context.Context, func(T) bool) error) (stop func()) {
	ctx, cancel := context.WithCancel(parent)
	if !r.bar.Shown() || r.o.Once {
		return cancel
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n := 0
		err := source(ctx, func(T) bool { n++; return ctx.Err() == nil })
		if err == nil && ctx.Err() == nil {
			r.bar.Total(n)
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// done says what has become of an item, and reports whether nobody answered.
func (r *run) done(ctx context.Context, i Item) (away bool) {
	if i.State == "" || i.State == Failed && ctx.Err() != nil {
		return false // it is nothing of its own; or the run ends, and it was not done
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.bar.Done()
	r.count[i.State]++
	if i.State == Done || i.State == Sound || i.State == There {
		r.bytes += i.Size
	}
	if r.o.Report != nil {
		r.err = errors.Join(r.err, r.o.Report(i))
	}
	if r.o.JSON {
		fmt.Fprintln(r.o.Out, i.json())
	} else {
		r.say(i)
	}
	return errors.Is(i.Err, store.ErrUnavailable) || errors.Is(i.Err, keys.ErrUnavailable)
}

// name is what a person calls it.
func (i Item) name() string {
	if i.Path != "" {
		return i.Path
	}
	return i.Address
}

func (r *run) say(i Item) {
	name := human.Quoted(i.name())
	switch {
	case i.Err != nil:
		text := human.OneLine(i.Err)
		if !strings.HasPrefix(text, name) {
			text = name + ": " + text
		}
		if i.State == Damaged {
			text = "DAMAGED: " + text
		}
		fmt.Fprintln(r.o.Err, text)
	case i.State == Would:
		fmt.Fprintf(r.o.Err, "%s would be %s\n", name, r.o.What)
	case i.Why != "":
		fmt.Fprintf(r.o.Err, "%s: %s\n", name, i.Why)
	}
}

// line is a line of --json.
type line struct {
	V       int           `json:"v"`
	Type    string        `json:"type"`
	Path    string        `json:"path,omitempty"`
	Address string        `json:"address,omitempty"`
	State   State         `json:"state,omitempty"`
	Size    *int64        `json:"size,omitempty"`
	Why     string        `json:"why,omitempty"`
	Failure *verdict.Line `json:"failure,omitempty"`
}

// json is the item for a program.
func (i Item) json() string {
	l := line{V: 1, Type: "item", Path: i.Path, Address: i.Address, State: i.State, Why: i.Why}
	if i.State != Failed && i.State != Skipped {
		l.Size = &i.Size
	}
	if i.Err != nil {
		failure := verdict.LineOf(i.Err)
		failure.Type = ""
		l.Failure = &failure
	}
	return marshal(l)
}

func marshal(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it has only texts and numbers
	}
	return string(text)
}

// order is that in which a summary counts.
var order = []State{Done, There, Would, Sound, Skipped, Unsampled, Unchecked, Damaged, Failed}

// files is how many there were.
func (r *run) files() (n int) {
	for _, c := range r.count {
		n += c
	}
	return n
}

// text is the summary for a person.
func (r *run) text() string {
	words := map[State]string{
		Done: r.o.What, There: "there already", Would: "would be " + r.o.What, Sound: "sound", Skipped: "skipped",
		Unsampled: "not looked at", Unchecked: "cannot be checked", Damaged: "DAMAGED", Failed: "failed",
	}
	list := []string{human.Count(r.files(), "file")}
	for _, s := range order {
		if n := r.count[s]; n > 0 {
			list = append(list, fmt.Sprintf("%d %s", n, words[s]))
		}
	}
	if r.bytes > 0 {
		list = append(list, human.Size(r.bytes))
	}
	return strings.Join(list, ", ")
}

// summary is the last line of --json.
type summary struct {
	V      int           `json:"v"`
	Type   string        `json:"type"`
	Files  int           `json:"files"`
	States map[State]int `json:"states"`
	Bytes  int64         `json:"bytes"`
}

// end prints the summary. Its error is the exit status.
func (r *run) end(err error) error {
	if r.o.JSON {
		fmt.Fprintln(r.o.Out, marshal(summary{1, "summary", r.files(), r.count, r.bytes}))
	}
	if errors.Is(err, batch.ErrAway) {
		err = verdict.Errorf(verdict.Unreachable, "look at the network, and run the same command again", "given up, since %w: %s", batch.ErrAway, r.text())
	}
	if err = errors.Join(err, r.err); err != nil {
		return err
	}
	bad := r.count[Damaged] + r.count[Failed] + r.count[Unchecked]
	what := fmt.Errorf("not all is well: %s", r.text())
	switch {
	case r.count[Damaged] > 0:
		return verdict.Ended{Err: verdict.With(what, verdict.Damaged, "restore what is damaged from a copy, or from an earlier version of the object"), Status: verdict.StatusDamage}
	case bad == 0:
		if !r.o.JSON {
			fmt.Fprintln(r.o.Err, r.text())
		}
		return nil
	case bad < r.files():
		return verdict.Ended{Err: verdict.With(what, verdict.Some, "do as the messages say, and run the same command again"), Status: verdict.StatusSome}
	}
	return verdict.Ended{Err: verdict.With(what, verdict.Some, "do as the messages say, and run the same command again"), Status: verdict.StatusFailed}
}

// failed is an item that could not be done; what is damaged is said to be.
func (i Item) failed(err error) Item {
	i.State, i.Err = Failed, err
	if errors.Is(err, fetch.ErrTampered) {
		i.State, i.Err = Damaged, verdict.With(err, verdict.Damaged, "restore it from a copy, or from an earlier version of the object")
	}
	return i
}
