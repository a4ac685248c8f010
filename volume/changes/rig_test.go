package changes

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/commit"
	"mcfs/volume/event"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// rig is a Runner with a real journal and queue, over a store that is a set of names.
type rig struct {
	t      *testing.T
	home   string
	mu     sync.Mutex
	queue  *queue.Queue
	spool  *spool.Spool
	runner *Runner
	stop   context.CancelCauseFunc
	ended  int // how often somebody was told that something has ended; guarded by mu

	world  sync.Mutex
	names  map[string]bool
	fails  error // of every try; nil: none
	tries  []string
	events []event.Event
}

// Observe implements event.Observer.
func (r *rig) Observe(e event.Event) {
	r.world.Lock()
	defer r.world.Unlock()
	r.events = append(r.events, e)
}

// run calls f with a rig whose clock stands still unless everybody waits.
func run(t *testing.T, f func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) { f(t, newRig(t, t.TempDir())) })
}

// newRig returns one that begins what is queued, and stops it at the end of the test.
func newRig(t *testing.T, home string) *rig {
	t.Helper()
	r := &rig{t: t, home: home, names: make(map[string]bool)}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	r.spool, err = spool.Open(spool.Options{Dir: filepath.Join(home, "spool"), MaxSize: 1 << 30, Log: quiet})
	r.must(err)
	ctx, stop := context.WithCancelCause(context.Background())
	r.stop = stop
	r.queue = queue.New(&r.mu, 4)
	r.runner = New(Config{
		Mu: &r.mu, Context: ctx, Queue: r.queue, Journal: r.spool.Journal(), Events: r, Log: quiet,
		Backoff:       queue.Backoff{First: time.Second, Longest: time.Minute},
		ChangedLocked: func() { r.ended++ },
	})
	r.queue.Start()
	t.Cleanup(r.close)
	return r
}

// close stops the rig; nothing more of it once it is.
func (r *rig) close() {
	if r.spool == nil {
		return
	}
	r.stop(commit.ErrStopping)
	r.queue.Close()
	r.must(r.spool.Close())
	r.spool = nil
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// locked calls f with the lock held.
func (r *rig) locked(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// host is the tree's side of a change: a path, and what the store has of its names.
type host struct {
	r *rig
	c *Change

	carry   func(ctx context.Context) error // instead; nil: as CarryOut says
	path    string                          // guarded by rig.mu, as the next three
	putOff  bool
	ended   int
	atEnd   func() // called when it has ended; may be nil
	givenUp error  // guarded by rig.world
}

// CarryOut does to the rig's names what the change says.
func (h *host) CarryOut(ctx context.Context) error {
	r, c := h.r, h.c
	if h.carry != nil {
		return h.carry(ctx)
	}
	r.world.Lock()
	defer r.world.Unlock()
	r.tries = append(r.tries, brief(c))
	h.c.Stride.Step(1)
	if r.fails != nil || ctx.Err() != nil {
		return fmt.Errorf("try: %w", r.fails)
	}
	switch {
	case c.Op == Rename && !r.names[c.Path]:
		return store.ErrNotExist
	case c.Op == Rename && r.names[c.To] && c.Replaces == nil:
		return remote.ErrTaken
	}
	switch c.Op {
	case Remove, Rmdir, Localise:
		delete(r.names, c.Path)
	case Rename, Move:
		delete(r.names, c.Path)
		r.names[c.To] = true
	default:
		r.names[c.Path] = true
	}
	return nil
}

// GiveWay implements Host.
func (h *host) GiveWay() error {
	h.r.mu.Lock()
	h.r.runner.DivertLocked(h.c, *h.c.Target()+" (conflict)")
	h.r.mu.Unlock()
	return h.r.runner.Save(h.c)
}

// GivenUp implements Host.
func (h *host) GivenUp(cause error) {
	h.r.world.Lock()
	defer h.r.world.Unlock()
	h.givenUp = cause
}

// EndedLocked implements Host.
func (h *host) EndedLocked() {
	h.ended++
	if h.atEnd != nil {
		h.atEnd()
	}
}

func (h *host) PathLocked() string { return h.path }
func (h *host) PutOffLocked() bool { return h.putOff }

// brief is a change in a few words.
func brief(c *Change) string {
	if c.To == "" {
		return c.Op + " " + c.Path
	}
	return c.Op + " " + c.Path + ">" + c.To
}

// add journals and queues a change.
func (r *rig) add(c Change) *host {
	r.t.Helper()
	return r.addHost(&host{r: r, c: &c, path: c.Path})
}

// addHost is add with a host that was made before.
func (r *rig) addHost(h *host) *host {
	r.t.Helper()
	r.must(r.runner.Journal([]*Change{h.c}, nil))
	r.locked(func() { r.runner.AddLocked(h.c, h) })
	return h
}

// delay delays a change of attributes.
func (r *rig) delay(c Change) *host {
	r.t.Helper()
	h := &host{r: r, c: &c, path: c.Path}
	r.locked(func() { r.must(r.runner.DelayLocked(h.c, h)) })
	return h
}

// has sets what the store has.
func (r *rig) has(names ...string) {
	r.world.Lock()
	defer r.world.Unlock()
	clear(r.names)
	for _, n := range names {
		r.names[n] = true
	}
}

// fail has every try fail; nil: none.
func (r *rig) fail(err error) {
	r.world.Lock()
	defer r.world.Unlock()
	r.fails = err
}

// expectNames compares what the store has once nothing moves.
func (r *rig) expectNames(want ...string) {
	r.t.Helper()
	synctest.Wait()
	r.world.Lock()
	defer r.world.Unlock()
	if got := slices.Sorted(maps.Keys(r.names)); !slices.Equal(got, want) {
		r.t.Errorf("the store has %q, want %q", got, want)
	}
}

// expectTries compares the tries since the last call once nothing moves.
func (r *rig) expectTries(want ...string) {
	r.t.Helper()
	synctest.Wait()
	r.world.Lock()
	defer r.world.Unlock()
	if !slices.Equal(r.tries, want) {
		r.t.Errorf("tried %q, want %q", r.tries, want)
	}
	r.tries = nil
}

// expectEvents compares what was observed since the last call once nothing moves.
func (r *rig) expectEvents(want ...string) {
	r.t.Helper()
	synctest.Wait()
	r.world.Lock()
	defer r.world.Unlock()
	var got []string
	for _, e := range r.events {
		got = append(got, strings.Join(strings.Fields(fmt.Sprint(e.Kind, " ", e.What, " ", e.Path, " ", e.To)), " "))
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("observed %q, want %q", got, want)
	}
	r.events = nil
}

// journaled is what the journal has, by the order of its numbers.
func (r *rig) journaled() (list []Change) {
	r.t.Helper()
	r.must(r.runner.Flush())
	kept, err := r.spool.Journal().Changes()
	r.must(err)
	for _, k := range kept {
		c, err := Read(k)
		r.must(err)
		list = append(list, c)
	}
	return list
}

// expectJournaled compares what the journal has.
func (r *rig) expectJournaled(want ...string) {
	r.t.Helper()
	var got []string
	for _, c := range r.journaled() {
		got = append(got, brief(&c))
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("the journal has %q, want %q", got, want)
	}
}

// indexed checks that each change is found by all that it is known by, once, and nothing else is.
func (r *rig) indexed() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.runner
	for seq, c := range x.queued {
		switch _, delayed := x.delayed[c]; {
		case seq != c.Seq:
			r.t.Errorf("%s %s has number %d, and is found by %d", c.Op, c.Path, c.Seq, seq)
		case delayed != (c.job == nil):
			r.t.Errorf("%s %s is delayed: %t, and has a job: %t", c.Op, c.Path, delayed, c.job != nil)
		case c.carries != nil && count(x.carriers[c.carries], c) != 1:
			r.t.Errorf("%s %s is not among its version's changes, or twice", c.Op, c.Path)
		case c.Op == Localise && count(x.localising[c.Entry], c) != 1:
			r.t.Errorf("%s %s is not among its draft's changes, or twice", c.Op, c.Path)
		}
	}
	ended := func(c *Change) bool { return x.queued[c.Seq] != c }
	for _, list := range slices.Concat(slices.Collect(maps.Values(x.carriers)), slices.Collect(maps.Values(x.localising))) {
		if len(list) == 0 || slices.ContainsFunc(list, ended) {
			r.t.Error("a version or a draft has a change that has ended")
		}
	}
	for c := range x.delayed {
		if ended(c) {
			r.t.Errorf("%s %s has ended, and is delayed", c.Op, c.Path)
		}
	}
	for c := range x.coming {
		if !ended(c) {
			r.t.Errorf("%s %s is queued, and counts as one that is not", c.Op, c.Path)
		}
	}
}

// count is how often x is in the list.
func count(list []*Change, x *Change) (n int) {
	for _, c := range list {
		if c == x {
			n++
		}
	}
	return n
}

// expectNone checks that nothing is left of any change.
func (r *rig) expectNone() {
	r.t.Helper()
	synctest.Wait()
	r.expectJournaled()
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.runner
	if n := len(x.queued) + len(x.coming) + len(x.carriers) + len(x.localising) + len(x.delayed); n > 0 {
		r.t.Errorf("%d queued, %d coming, %d carried, %d localised, %d delayed", len(x.queued), len(x.coming), len(x.carriers), len(x.localising), len(x.delayed))
	}
}
