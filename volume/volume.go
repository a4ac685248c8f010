package volume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/changes"
	"mcfs/volume/commit"
	"mcfs/volume/document"
	"mcfs/volume/event"
	"mcfs/volume/fetch"
	"mcfs/volume/file"
	"mcfs/volume/lately"
	dirs "mcfs/volume/listing"
	"mcfs/volume/metacache"
	"mcfs/volume/moving"
	"mcfs/volume/naming"
	"mcfs/volume/orphans"
	"mcfs/volume/patience"
	"mcfs/volume/queue"
	"mcfs/volume/recheck"
	"mcfs/volume/remote"
	"mcfs/volume/status"
	"mcfs/volume/tasks"
	"mcfs/volume/upload"
	"mcfs/volume/writers"
)

const (
	// waitKnown bounds how long an operation on names waits for the network
	// where a last-known answer exists, waitUnknown where none does (P7).
	waitKnown, waitUnknown = patience.Known, patience.Unknown
	// requestTimeout bounds one small request that runs behind.
	requestTimeout = 60 * time.Second
	// maxWorkers is how many commits and changes of names run at once. Their
	// parts share the upload engine's narrower limit.
	maxWorkers = 32
	// maxIdle is how many files that are not open keep their key and cached blocks.
	maxIdle = 256
	// maxLooks is how often something is looked at again that has changed under the look.
	maxLooks = remote.MaxLooks
	// releaseDelay is the moment between the last release of a dirty file and its commit.
	releaseDelay = 50 * time.Millisecond
)

// backoff is how long a commit, a change of names or what an earlier mount has left waits
// between tries.
var backoff = queue.Backoff{First: 500 * time.Millisecond, Longest: time.Minute}

// Options of a Volume. The volume does not own Store, Keeper and Spool: its
// caller closes them after Close.
type Options struct {
	Store    store.Store
	Keeper   keys.Keeper
	Spool    *spool.Spool
	Log      *slog.Logger
	Observer event.Observer // of commits, failures, conflicts and changes of names; nil: nobody

	Mode      crypt.Mode
	IVBytes   int  // 0: the mode's default
	Bits      int  // of a data key; 0: 256
	Streaming bool // gcm_reads = "streaming"

	PartSize     int64         // 0: 8 MiB
	Concurrency  int           // 0: 8
	UploadMemory int64         // bytes of buffers, 0: 64 MiB
	FetchMemory  int64         // the same
	CloseTimeout time.Duration // how long close waits without progress before EIO; 0: 60 s
	SpoolDurable bool          // durability = "spool"
	KeepAll      bool          // spool.keep = "all"

	Hidden    bool     // sidecars = "hidden"
	LocalOnly []string // added to the defaults, "!pattern" removes one
	// CommitOnFsync are patterns of names of files that an fsync has committed, too.
	CommitOnFsync []string
	Grace         time.Duration // how long a closed file bears a temporary name until it is committed under it; 0: 30 s
	Fresh         time.Duration // how old a listing or an attribute may be; 0: 5 s, negative: always asked anew

	// UncheckedLinks has symlinks followed that have no check of their own, as older programs made them.
	UncheckedLinks bool

	UID, GID uint32 // owner shown for what has none recorded
}

// Volume is an open volume.
type Volume struct {
	o       Options
	log     *slog.Logger
	store   store.Store
	keeper  keys.Keeper
	spool   *spool.Spool
	cache   *metacache.Cache // what earlier mounts remember of the volume's objects
	remote  *remote.Client
	shared  *file.Shared // by the contents of all files
	commits *commit.Runner
	changes *changes.Runner // of names, that are queued
	rules   *naming.Rules   // of names

	localiseLimit int64 // the constant; less where a test has it so

	keys      *keys.Pool
	uploads   *upload.Engine
	orphans   *orphans.Aborter
	announced *orphans.Store // whose uploads the journal knows before they begin
	fetches   *fetch.Engine
	lists     dirs.Reader

	ctx   context.Context // of all that runs behind
	stop  context.CancelCauseFunc
	tasks tasks.Group // every goroutine that is not a worker's

	names     sync.RWMutex
	recovered chan struct{}              // closed when what an earlier mount left is in the tree
	versions  map[string]*remote.Version // by IV, until then
	writers   writers.Handles[*Handle]   // of programs
	documents document.Open[*Node]       // sidecars that are written over
	read      atomic.Int64               // bytes of content that they have read
	patience  patience.Patience          // with the store, of what looks for names
	rechecks  *recheck.Schedule[*Node]   // of descriptions, with the store

	mu       sync.Mutex
	queue    *queue.Queue // of commits and changes of names
	root     *Node
	lastIno  uint64
	closing  bool
	busy     map[*Node]struct{}        // files with a draft
	opened   map[*Node]struct{}        // files with handles
	idle     []*Node                   // clean files that are not open, oldest first
	moves    moving.Moves              // directories whose objects still have their old keys
	ended    chan struct{}             // closed and renewed when a draft or change ends
	synced   map[*Node]*synced         // files that an fsync may have committed
	behind   []*tombstone              // of sidecars, the oldest first
	askers   lately.Map[uint32, asked] // sidecars that threads may be about to move
	lockedBy map[string]bool           // key ids of keepers for which files wait, as the log has said
	unopened map[spool.ID]string       // sealed files that the journal does not know, and why they wait
	writes   remote.Writes             // of this machine
	started  time.Time
	boot     string  // of the machine; see entry.Record
	asides   []aside // since then, the oldest first
	givenUp  []givenUp
	finished int64     // bytes of ciphertext committed
	room     roomAsked // what Statfs knows
}

// Open makes a volume of its parts, takes up what an earlier one left in the
// spool, and begins to finish it.
func Open(ctx context.Context, o Options) (*Volume, error) {
	o = o.withDefaults()
	if err := o.Mode.CheckIV(o.IVBytes); err != nil {
		return nil, err
	}
	rules, err := naming.NewRules(o.LocalOnly)
	if err != nil {
		return nil, err
	}
	pool := keys.NewPool(o.Keeper, keys.PoolOptions{Bits: o.Bits, Size: 64, MaxAge: 5 * time.Minute, Log: o.Log})
	v := &Volume{
		o: o, log: o.Log, store: o.Store, keeper: o.Keeper, spool: o.Spool, rules: rules, localiseLimit: localiseLimit, keys: pool,
		fetches: fetch.NewEngine(fetch.Config{
			Store: o.Store, Concurrency: o.Concurrency, Memory: o.FetchMemory, Streaming: o.Streaming, Log: o.Log,
			Timeout: o.CloseTimeout,
		}),
		lists:    dirs.Reader{Store: o.Store, Timeout: requestTimeout},
		busy:     make(map[*Node]struct{}),
		opened:   make(map[*Node]struct{}),
		ended:    make(chan struct{}),
		synced:   make(map[*Node]*synced),
		rechecks: recheck.New[*Node](),
		lockedBy: make(map[string]bool),
		unopened: make(map[spool.ID]string),
		started:  time.Now(),
		boot:     o.Spool.Boot(),
		lastIno:  firstIno(),

		recovered: make(chan struct{}),
	}
	v.queue = queue.New(&v.mu, maxWorkers)
	v.orphans = orphans.New(orphans.Config{Store: o.Store, Note: v.noteUpload, Forget: v.forgetUpload, Log: o.Log})
	v.ctx, v.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	v.announced = orphans.NewStore(orphans.StoreConfig{
		Store: o.Store, Journal: o.Spool.Journal(), Aborter: v.orphans, Context: v.ctx, Background: v.background, Backoff: backoff,
	})
	v.uploads = upload.NewEngine(upload.Config{
		Store: v.announced, PartSize: o.PartSize, Concurrency: o.Concurrency, Memory: o.UploadMemory,
		Orphans: v.orphans, Log: o.Log,
		Troubled: func(key string, cause error) { v.observeFailure("commit", key, cause, true) },
	})
	v.cache = metacache.Open(v.spool.MetadataCache(), remote.CacheIdentity(o.Store, o.UID, o.GID), v.log)
	v.remote = remote.New(remote.Config{
		Store: v.announced, Cache: v.cache, Fetch: v.fetches, Unwrap: v.unwrap, Log: o.Log,
		LocalOnly: func(key string) bool { return rules.LocalOnly(key, naming.AsFile) },
		UID:       o.UID, GID: o.GID, UncheckedSymlinks: o.UncheckedLinks,
	})
	v.shared = v.share()
	v.changes = changes.New(changes.Config{
		Mu: &v.mu, Context: v.ctx, Queue: v.queue, Journal: o.Spool.Journal(), Events: o.Observer, Log: o.Log, Backoff: backoff,
		ChangedLocked: v.signal,
	})
	v.commits = v.committer()
	v.background(func() { v.rechecks.Run(v.ctx, v.recheck) })
	v.root = v.newDir(nil, "")
	v.root.dir.State(v.root.dir.Attr())
	pool.Warm()
	if err := v.recover(ctx); err != nil {
		v.halt()
		return nil, fmt.Errorf("recover %s: %w", "spool", err)
	}
	return v, nil
}

func (o Options) withDefaults() Options {
	if o.IVBytes == 0 {
		o.IVBytes = o.Mode.DefaultIVSize()
	}
	if o.Bits == 0 {
		o.Bits = 256
	}
	if o.PartSize == 0 {
		o.PartSize = 8 << 20
	}
	if o.Concurrency == 0 {
		o.Concurrency = 8
	}
	if o.UploadMemory == 0 {
		o.UploadMemory = 64 << 20
	}
	if o.FetchMemory == 0 {
		o.FetchMemory = 64 << 20
	}
	if o.CloseTimeout == 0 {
		o.CloseTimeout = time.Minute
	}
	if o.Grace == 0 {
		o.Grace = 30 * time.Second
	}
	if o.Fresh == 0 {
		o.Fresh = 5 * time.Second
	}
	if o.Observer == nil {
		o.Observer = event.Discard{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Root is the directory at the top.
func (v *Volume) Root() *Node { return v.root }

// Totals are those since Open.
func (v *Volume) Totals() status.Totals {
	v.mu.Lock()
	defer v.mu.Unlock()
	return status.Totals{Committed: v.finished, Read: v.read.Load(), Fetched: v.fetches.Fetched(), Retries: v.queue.RetriesLocked()}
}

// Pending is one draft or change that is not finished.
type Pending struct {
	Path   string // in the volume
	What   string // a draft's state, or what is done to the name
	Reason string // of the last failure
	Done   int64  // bytes of ciphertext acknowledged
	Moved  int64  // bytes that have left, which tells a slow link from a dead one
	Size   int64  // bytes of plaintext
	Told   string // the only path under which it can be committed; "": its own
}

// Pending lists all drafts and changes that are not finished, in no order.
func (v *Volume) Pending() []Pending {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []Pending
	for n := range v.busy {
		if p, ok := n.pendingInfo(); ok && !n.gone {
			p.Path = v.path(n)
			list = append(list, p)
		}
	}
	for c := range v.changes.QueuedLocked() {
		list = append(list, Pending{Path: c.Path, What: c.Op, Reason: c.Reason})
	}
	return list
}

// pendingInfo describes the node's draft; ok is false if it has none. v.mu is held.
func (n *Node) pendingInfo() (p Pending, ok bool) {
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.State == Clean {
		return Pending{}, false
	}
	p = Pending{What: n.content.State.String(), Size: n.content.SizeLocked()}
	if n.content.IsStrandedLocked() {
		p.Told = n.content.EarlyKeyLocked()
	}
	if why := n.content.ReasonLocked(); why != nil {
		p.Reason = why.Error()
	}
	p.Done = n.content.SentEarlyLocked()
	if n.commit.AttemptLocked() != nil {
		p.Done, p.Moved = n.commit.AttemptLocked().Progress(), n.commit.AttemptLocked().Moved()
	}
	return p, true
}

// Close refuses new opens, commits what is dirty and drains until ctx is done,
// then stops everything. Its error names what is still pending; that stays in
// the spool, and the next Open takes it up.
func (v *Volume) Close(ctx context.Context) error {
	v.mu.Lock()
	v.closing = true
	drafts := make([]*Node, 0, len(v.busy))
	for n := range v.busy {
		drafts = append(drafts, n)
	}
	v.mu.Unlock()
	for _, n := range drafts {
		v.askAtShutdown(n)
	}
	err := v.Sync(ctx, "")
	finished := err == nil || errors.Is(err, errLost) || errors.Is(err, errGivenUp)
	settle, cancel := context.WithTimeout(ctx, waitUnknown)
	v.uploads.Settle(settle)
	v.orphans.Settle(settle) // the rest is in the journal, for the next mount
	cancel()
	left := slices.DeleteFunc(v.Pending(), func(p Pending) bool { return p.Told != "" })
	v.keepDrafts()
	v.halt()
	if errors.Is(err, errGivenUp) {
		return err
	}
	if finished { // of what is lost status has said so, and nothing is left to be done about it here
		return nil
	}
	if len(left) == 0 { // what is left is not in the spool, as the error says
		return err
	}
	names := make([]string, 0, len(left))
	for _, p := range left {
		names = append(names, fmt.Sprintf("%s (%s)", p.Path, p.What))
	}
	return fmt.Errorf("%d not finished, kept in the spool: %s: %w", len(names), strings.Join(names, ", "), err)
}

// halt stops all that runs and lets go of every file.
func (v *Volume) halt() {
	v.stop(commit.ErrStopping)
	v.uploads.Close()
	v.queue.Close()
	v.tasks.End()
	v.orphans.Close()
	v.releaseAll()
	v.fetches.Close()
	v.keys.Close()
	v.cache.Close()
}

// signal wakes those who wait for something to end; v.mu is held.
func (v *Volume) signal() {
	close(v.ended)
	v.ended = make(chan struct{})
}
