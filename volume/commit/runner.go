package commit

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"mcfs/crypt"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/event"
	"mcfs/volume/fetch"
	"mcfs/volume/file"
	"mcfs/volume/naming"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

// requestTimeout bounds one small request.
const requestTimeout = 60 * time.Second

// The causes with which an attempt is called off. ErrStopping is that of Config.Context, too.
var (
	ErrMoved    = errors.New("the file was renamed")
	ErrGone     = errors.New("the file was removed")
	ErrUnwanted = errors.New("the file is about to be removed")
	ErrStopping = errors.New("the volume is stopping")
	errKilled   = errors.New("its writer was killed")
)

var (
	errNothing    = errors.New("there is nothing to commit any more")
	errUnfinished = errors.New("its writer was killed, or a write to it failed")
)

// Permanent reports whether trying the same again cannot help. Want of a key is not: another
// mount may have the keeper.
func Permanent(err error) bool {
	return errors.Is(err, fetch.ErrTampered) || errors.Is(err, spool.ErrCorrupt) || errors.Is(err, upload.ErrShort) || file.IsSent(err)
}

// refused reports whether the file cannot be committed under its name, or not on its base.
func refused(err error) bool {
	return errors.Is(err, file.ErrPermission) || errors.Is(err, naming.ErrTooLong) || errors.Is(err, file.ErrStale)
}

// Config of a Runner, whose parts it does not own.
type Config struct {
	Mu      *sync.Mutex     // guards attempts, and what Host keeps of names
	Context context.Context // of all attempts; its cause is ErrStopping when it ends
	Queue   *queue.Queue    // guarded by Mu
	Store   store.Store
	Remote  *remote.Client
	Writes  *remote.Writes // of this machine
	Spool   *spool.Spool
	Events  event.Observer
	Log     *slog.Logger

	Mode         crypt.Mode
	CloseTimeout time.Duration // without a byte that moves
	Backoff      queue.Backoff // between tries

	// Background runs what whoever ends Context waits for.
	Background func(func())
	// ChangedLocked is called when something has ended, or need not be waited for any more.
	ChangedLocked func()
	// BeforeLocked returns what fails of what keeps the job from its turn; ok is false if nothing does.
	BeforeLocked func(*queue.Job) (b Before, ok bool)
	// MovedLocked counts what has been done for all files and names, by the byte.
	MovedLocked func() int64
	// NoKeeper logs that a file waits for another keeper, if err says so.
	NoKeeper func(path string, err error)
}

// Before is what a commit waits for, and what fails.
type Before struct {
	Why   error // what it is, and why it fails
	Moved int64 // how far it is
}

// Host is what a commit asks of its file's owner.
type Host interface {
	// PathLocked returns the file's path in the volume, GoneLocked reports whether it has none any more.
	PathLocked() string
	GoneLocked() bool
	// BegunLocked is told that an attempt has been queued.
	BegunLocked()
	// Judge decides, before anything leaves, whether content of that size may be committed under
	// path: ErrGone if it is not to be and the file is removed, file.ErrPermission or
	// naming.ErrTooLong if it never can be.
	Judge(path string, content io.ReaderAt, size int64) error
	// Save has the journal know what the draft is, SaveSoon a little later.
	Save() error
	SaveSoon()
	// LandedLocked makes what was committed the file's version, and reports whether later
	// content is to be committed now, and whether a killed writer has left some.
	LandedLocked(l Landed) (again, interrupted bool)
	// ForgetCache lets go of the blocks and the key of a clean file.
	ForgetCache()

	// ConflictPath returns a free name beside path for what has to give way there.
	ConflictPath(path string) string
	// GiveWay gives the file such a name for path, and makes what is written safe under it. It calls
	// end with Mu held when it does the first.
	GiveWay(path string, end func())
	// TheirsAsideLocked is told that another machine's version of path is kept under aside.
	TheirsAsideLocked(path, aside string)
}

// Landed is what has been committed.
type Landed struct {
	Path    string
	Version *remote.Version
	Gen     uint64 // the generation of the content
}

// Runner commits the files of a volume.
type Runner struct{ cfg Config }

// NewRunner returns a Runner that commits as c says.
func NewRunner(c Config) *Runner { return &Runner{c} }

// failed tells of a commit that did not succeed.
func (r *Runner) failed(path string, cause error, again bool) {
	r.cfg.Events.Observe(event.Event{Kind: event.Failure, What: "commit", Path: path, Cause: cause, Again: again})
}

// RestoreSidecar puts the sidecar of a version again, if its object stands at key without one.
func (r *Runner) RestoreSidecar(ver *remote.Version, key string) {
	ctx, cancel := context.WithTimeout(r.cfg.Context, requestTimeout)
	defer cancel()
	if err := r.cfg.Remote.RestoreSidecar(ctx, ver, key); err != nil {
		r.cfg.Log.Error("a sidecar could not be put back", "path", key, "cause", err)
	}
}

// Quarantine moves a draft's sealed file to quarantine, and its journal entry goes, soon: what was
// to be localised for it stays in the store.
func (r *Runner) Quarantine(id spool.ID, why string) {
	if err := r.cfg.Spool.Quarantine(id, why); err != nil {
		r.cfg.Log.Error("a sealed file could not be moved to quarantine", "id", id, "cause", err)
	}
	r.cfg.Spool.Journal().Later(func(tx *spool.Tx) error { return tx.DeleteEntry(id) })
}
