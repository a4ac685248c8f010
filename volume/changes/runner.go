package changes

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/commit"
	"mcfs/volume/event"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

var (
	// ErrBusy means that something else must end first. The change is tried again.
	ErrBusy = errors.New("a commit of the same content is under way")
	// ErrUnknown means that another release of mcfs has journaled it.
	ErrUnknown = errors.New("change is not known")
)

// Config of a Runner, whose parts it does not own.
type Config struct {
	Mu      *sync.Mutex     // guards what a Runner knows, and what Host keeps of names
	Context context.Context // of all tries
	Queue   *queue.Queue    // guarded by Mu
	Journal *spool.Journal
	Events  event.Observer
	Log     *slog.Logger
	Backoff queue.Backoff // between tries

	// ChangedLocked is called when a change has ended.
	ChangedLocked func()
}

// Host is what a change asks of the tree, in which it is true already.
type Host interface {
	// CarryOut is one try against the store, on a worker.
	CarryOut(ctx context.Context) error
	// GiveWay finds a name beside the one that another machine has taken, and calls DivertLocked
	// and Save.
	GiveWay() error
	// GivenUp is told, before the end, that the change cannot be finished. The cause is
	// store.ErrNotExist where what was to be renamed was removed elsewhere.
	GivenUp(cause error)
	// EndedLocked is told that the change is done, or given up.
	EndedLocked()

	// PathLocked is where that is by now of which a delayed change states the attributes, and
	// PutOffLocked reports whether something is under way after which it had better come.
	PathLocked() string
	PutOffLocked() bool
}

// Runner carries out the changes of names of a volume.
type Runner struct {
	cfg   Config
	steps atomic.Int64 // changes, and objects of moved directories, that are done

	// Guarded by Config.Mu.
	queued     map[uint64]*Change            // all that have not ended, by their numbers
	coming     map[*Change]struct{}          // those that are in the journal, or about to be, and not queued yet
	carriers   map[*remote.Version][]*Change // those that carry a version on
	localising map[spool.ID][]*Change        // those that fetch a version for a draft, by its entry
	delayed    map[*Change]struct{}          // those to which more may be added before they begin
}

// New returns a Runner of no changes.
func New(c Config) *Runner {
	return &Runner{
		cfg:        c,
		queued:     make(map[uint64]*Change),
		coming:     make(map[*Change]struct{}),
		carriers:   make(map[*remote.Version][]*Change),
		localising: make(map[spool.ID][]*Change),
		delayed:    make(map[*Change]struct{}),
	}
}

// AddLocked queues a journaled change: in its turn it is carried out. The lock has been held
// since the tree changed.
func (r *Runner) AddLocked(c *Change, h Host) {
	c.host = h
	delete(r.coming, c)
	r.queued[c.Seq] = c
	if c.Ver != nil {
		c.carries = c.Ver
		r.carriers[c.Ver] = append(r.carriers[c.Ver], c)
	}
	if c.Op == Localise {
		r.localising[c.Entry] = append(r.localising[c.Entry], c)
	}
	c.job = r.cfg.Queue.AddLocked(func() { r.run(c) }, c.Claims()...)
}

// forgetLocked takes a change that has ended out of all that is known of it.
func (r *Runner) forgetLocked(c *Change) {
	delete(r.queued, c.Seq)
	delete(r.delayed, c)
	if c.carries != nil {
		takeOut(r.carriers, c.carries, c)
	}
	if c.Op == Localise {
		takeOut(r.localising, c.Entry, c)
	}
}

// takeOut takes a change out of a list, and the list away with its last one.
func takeOut[K comparable](lists map[K][]*Change, key K, c *Change) {
	left := slices.DeleteFunc(lists[key], func(x *Change) bool { return x == c })
	if lists[key] = left; len(left) == 0 {
		delete(lists, key)
	}
}

// QueuedLocked are the changes that have not ended, in no order.
func (r *Runner) QueuedLocked() iter.Seq[*Change] { return maps.Values(r.queued) }

// LocalisingLocked are the localisations that are queued for the draft with that entry.
func (r *Runner) LocalisingLocked(entry spool.ID) []*Change { return r.localising[entry] }

// Steps is how far all changes together have come.
func (r *Runner) Steps() int64 { return r.steps.Load() }

// PassesLocked reports whether another change than c takes something to or from the path.
func (r *Runner) PassesLocked(path string, c *Change) bool {
	for _, other := range r.queued {
		if other != c && other.Op != Attr && other.Passes(path) {
			return true
		}
	}
	return false
}

// BeforeLocked is what fails of what keeps the job from its turn: a change whose last try has failed.
func (r *Runner) BeforeLocked(job *queue.Job) (b commit.Before, ok bool) {
	for _, c := range r.queued {
		if !c.Failing.IsZero() && c.pace != nil && c.job != nil && c.job.KeepsBackLocked(job) {
			why := fmt.Errorf("it waits for %s of %s, which fails: %s: %w", c.Op, c.Path, c.Reason, store.ErrUnavailable)
			return commit.Before{Why: why, Moved: c.pace.Total()}, true
		}
	}
	return commit.Before{}, false
}

// LendAttrLocked gives a version the attributes that a change knows of it, and reports whether one does.
func (r *Runner) LendAttrLocked(ver *remote.Version) bool {
	for _, c := range r.queued {
		if ver.TakeAttr(c.Ver) || ver.TakeAttr(c.Replaces) {
			return true
		}
	}
	return false
}

// RedirectLocked has the changes of a version which nothing but a listing has named so far, and
// which has just moved, know the copy.
func (r *Runner) RedirectLocked(was remote.Listing, made *remote.Version) {
	key, etag := made.Place()
	for _, c := range r.queued {
		for _, x := range []*remote.Version{c.Ver, c.Replaces} {
			if x == nil || len(x.IV) > 0 {
				continue
			}
			if at, tag := x.Place(); at == was.Key && tag == was.ETag {
				x.Moved(key, etag, made.Sidecar())
			}
		}
	}
}
