package file

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/fetch"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

// Host is what a content asks its owner, which alone knows names, the journal and commits.
// No method is called with the content locked, but where it says so.
type Host interface {
	// Ino is the inode number, for the log. It may be called with the content locked.
	Ino() uint64
	// Path is the file's path, for the log and for errors.
	Path() string
	// Describe makes the file's version known.
	Describe(ctx context.Context) error
	// Places are where the object of a version may be, the latest last. moving reports
	// whether it is on its way between them.
	Places(ver *remote.Version) (places []string, moving bool)
	// IsRecovering reports whether it is still unknown if an upload of the last mount has become the base.
	IsRecovering() bool
	// Save makes the draft's journal entry durable; SaveSoon has that done behind.
	Save() error
	SaveSoon()
	// WaitForSpace returns nil or ErrSpaceMade once the full spool may have room again.
	WaitForSpace(ctx context.Context, acks int64, full error) error
	// AwaitCommit waits for the commit of a file of which an upload alone has some bytes.
	// It reports false where none is under way, or it gets no further.
	AwaitCommit(ctx context.Context) bool
	// StartEarly has an early upload begin, behind. It is called with the content locked.
	StartEarly()
	// EndOfGrace is called once a file under a temporary name has waited for another one long enough.
	EndOfGrace()
	// ForgetEntry has the journal forget a draft's entry, soon. It is called with the content locked.
	ForgetEntry(id spool.ID)
}

// Shared is what all contents of a volume have in common.
type Shared struct {
	Spool   *spool.Spool
	Keys    *keys.Pool
	Unwrap  func(ctx context.Context, wrapped []byte, keyID string) ([]byte, error)
	Uploads *upload.Engine
	Fetches *fetch.Engine
	Remote  *remote.Client
	Log     *slog.Logger

	Context    context.Context // of all that runs behind
	Background func(func())    // runs what only lets go of things
	Run        func(func())    // runs what may take a worker
	RunAfter   func(time.Duration, func()) *time.Timer
	// ForgetUpload has the journal forget the announcement of an upload, soon.
	ForgetUpload func(up store.Upload)

	Mode         crypt.Mode
	IVBytes      int
	PartSize     int64
	CloseTimeout time.Duration
	KeepAll      bool          // files that were sent as fast as they were written stay, too
	Grace        time.Duration // how long a closed file waits under a temporary name for another
	UID, GID     uint32        // owner of what has none recorded
	Boot         string        // of the machine

	Acks      atomic.Int64 // times at which room was made: blocks were left to an upload, or a view of them ended
	releasing atomic.Int64 // uploads and views that are about to end
}

// IsReleasing reports whether an upload or a view is about to end, which makes room.
func (s *Shared) IsReleasing() bool { return s.releasing.Load() > 0 }

// drop deletes a sealed file that nobody needs; what goes wrong is logged.
func (s *Shared) drop(f *spool.File) {
	if err := s.Discard(f); err != nil {
		s.Log.Warn("a sealed file could not be removed", "id", f.ID(), "cause", err)
	}
}

// Discard deletes a sealed file that holds nothing anybody needs.
func (s *Shared) Discard(f *spool.File) error {
	if err := f.Close(); err != nil {
		s.Log.Warn("a sealed file could not be closed", "id", f.ID(), "cause", err)
	}
	return s.Spool.Remove(f.ID())
}

// abandon gives an upload up without waiting, and then calls then.
func (s *Shared) abandon(up *upload.Upload, then func()) {
	if up.Abandon(then) {
		return
	}
	s.Background(func() {
		up.Abort()
		then()
	})
}

// CheckSize refuses a file that the mode, or the parts of one upload, cannot hold.
func (s *Shared) CheckSize(size int64) error {
	if most := min(s.Mode.MaxPlain(), s.Uploads.MaxSize()); size > most {
		return fmt.Errorf("%d bytes, at most %d can be stored in %s: %w", size, most, s.Mode, ErrTooBig)
	}
	return nil
}
