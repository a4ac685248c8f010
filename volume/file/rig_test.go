package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/store/dir"
	"mcfs/volume/fetch"
	"mcfs/volume/metacache"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

const partSize = 64 << 10

// modes are those in which a version can be encrypted.
var modes = []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM}

// rig is what contents need: a spool and a store in folders, and a keyring.
type rig struct {
	t      *testing.T
	home   string
	store  store.Store
	shared *Shared
	behind sync.WaitGroup
}

func newRig(t *testing.T) *rig { return newRigOf(t, crypt.CTR, 1<<30) }

// newRigOf is newRig in a mode, with a spool of a size.
func newRigOf(t *testing.T, mode crypt.Mode, most int64) *rig {
	t.Helper()
	r := &rig{t: t, home: t.TempDir()}
	s, err := dir.New(dir.Options{Path: filepath.Join(r.home, "store"), Bucket: "b", MinPart: partSize})
	r.must(err)
	keeper, err := keys.CreateLocal(filepath.Join(r.home, "keyring"))
	r.must(err)
	quiet := slog.New(slog.DiscardHandler)
	sp, err := spool.Open(spool.Options{Dir: filepath.Join(r.home, "spool"), MaxSize: most, Log: quiet})
	r.must(err)
	pool := keys.NewPool(keeper, keys.PoolOptions{Bits: 256, Size: 4, MaxAge: time.Minute, Log: quiet})
	fetches := fetch.NewEngine(fetch.Config{Store: s, Concurrency: 2, Memory: 4 << 20, Log: quiet, Timeout: time.Minute})
	uploads := upload.NewEngine(upload.Config{Store: s, PartSize: partSize, Concurrency: 2, Memory: 4 << 20, Log: quiet})
	cache := metacache.Open(filepath.Join(r.home, "cache"), "", quiet)
	r.store = s
	r.shared = &Shared{
		Spool: sp, Keys: pool, Unwrap: keeper.Unwrap, Uploads: uploads, Fetches: fetches, Log: quiet,
		Remote:  remote.New(remote.Config{Store: s, Cache: cache, Fetch: fetches, Unwrap: keeper.Unwrap, Log: quiet, LocalOnly: func(string) bool { return false }}),
		Context: t.Context(), Background: func(f func()) { r.behind.Go(f) }, Run: func(f func()) { r.behind.Go(f) },
		RunAfter: time.AfterFunc, ForgetUpload: func(store.Upload) {},
		Mode: mode, IVBytes: mode.DefaultIVSize(), PartSize: partSize, CloseTimeout: time.Minute, Grace: time.Hour,
	}
	t.Cleanup(func() {
		uploads.Close()
		r.behind.Wait()
		fetches.Close()
		pool.Close()
		cache.Close()
		r.must(errors.Join(sp.Close(), s.Close()))
	})
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// owner is what a content knows of the rest of the world.
type owner struct {
	r     *rig
	c     *Content
	path  string
	saved atomic.Int64
	stays bool                   // no part of it leaves early
	space func(full error) error // what waiting for space gives; nil: there is none
}

func (o *owner) Ino() uint64                    { return 1 }
func (o *owner) Path() string                   { return o.path }
func (o *owner) Describe(context.Context) error { return nil }
func (o *owner) IsRecovering() bool             { return false }
func (o *owner) Save() error                    { o.saved.Add(1); return nil }
func (o *owner) SaveSoon()                      { o.saved.Add(1) }
func (o *owner) EndOfGrace()                    {}
func (o *owner) ForgetEntry(spool.ID)           {}

func (o *owner) Places(*remote.Version) (places []string, moving bool) {
	return []string{o.path}, false
}

func (o *owner) AwaitCommit(context.Context) bool { return false }

func (o *owner) WaitForSpace(_ context.Context, _ int64, full error) error {
	if o.space == nil {
		return errors.Join(ErrFull, full)
	}
	return o.space(full)
}

func (o *owner) StartEarly() {
	if o.stays {
		return
	}
	o.r.behind.Go(func() {
		up, sealed, err := o.c.StartEarly(o.r.t.Context(), o.path)
		if err != nil && o.r.t.Context().Err() == nil {
			o.r.t.Error(err)
		}
		o.c.Lock()
		fits := o.c.TakeEarlyLocked(up, sealed, true, false)
		o.c.Unlock()
		if up != nil && !fits {
			up.Abort()
		}
	})
}

// content is one that nothing is known of yet.
func (r *rig) content(path string) (*Content, *owner) {
	c := new(Content)
	o := &owner{r: r, c: c, path: path}
	c.Init(r.shared, o)
	r.t.Cleanup(c.Release)
	return c, o
}

// begin is a new file's.
func (r *rig) begin() *Content {
	c, _ := r.content("f")
	c.BeginNew(sidecar.Attr{Mode: modeRegular | 0o644})
	return c
}

// of is that of a committed version which nobody has opened yet.
func (r *rig) of(ver *remote.Version) *Content {
	c, _ := r.content("f")
	c.Lock()
	defer c.Unlock()
	c.SetBaseLocked(ver)
	return c
}

func (r *rig) write(c *Content, p []byte, off int64) {
	r.t.Helper()
	if k, _, err := c.WriteAt(r.t.Context(), p, off); err != nil || k != len(p) {
		r.t.Fatalf("write %d+%d: %d, %v", off, len(p), k, err)
	}
}

// is compares all that can be read with what is wanted.
func (r *rig) is(c *Content, want []byte) {
	r.t.Helper()
	var at Cursor
	got := make([]byte, len(want)+1)
	k, err := 0, error(nil)
	for k < len(got) && err == nil {
		var n int
		n, err = c.Read(r.t.Context(), &at, got[k:], int64(k))
		k += n
	}
	if wait := at.Close(); wait != nil {
		wait()
	}
	if err != io.EOF || !bytes.Equal(got[:k], want) {
		r.t.Fatalf("%d bytes are read, want %d, or they differ: %v", k, len(want), err)
	}
}

// snapshot begins an attempt to commit what was asked for.
func (r *rig) snapshot(c *Content) *Snapshot {
	r.t.Helper()
	c.Lock()
	defer c.Unlock()
	s, err := c.TakeSnapshotLocked("f")
	r.must(err)
	if c.State == Queued {
		c.StepLocked(EvStart)
	}
	return s
}

// ask is what a close does.
func (r *rig) ask(c *Content) {
	c.Lock()
	defer c.Unlock()
	c.AskLocked()
	c.StepLocked(EvAsk)
}

// finish makes a snapshot a version in the store, and the content's base.
func (r *rig) finish(c *Content, s *Snapshot) (*remote.Version, error) {
	r.t.Helper()
	up := s.Upload
	if up == nil {
		var err error
		up, err = c.StartUpload(r.t.Context(), "f", nil)
		r.must(err)
	}
	var made upload.Result
	last := upload.Last{Condition: store.Condition{IfNone: true}, Ready: func(ctx context.Context) error {
		made = up.Sealed()
		if o := s.View.Origin(); o != nil {
			return c.ProveBase(ctx, o)
		}
		return nil
	}}
	c.Lock()
	if c.Base != nil {
		_, etag := c.Base.Place()
		last.Condition = store.Condition{IfMatch: etag}
	}
	c.Unlock()
	res, err := up.Finish(r.t.Context(), s.View, s.Size, last)
	if err != nil {
		c.Lock()
		c.AbandonLocked(up, s.View)
		c.Unlock()
		return nil, err
	}
	obj := up.Object()
	ver := remote.NewVersion(
		remote.Content{Mode: r.shared.Mode, IV: obj.IV, MAC: made.MAC, Plain: made.Plain, Cipher: made.Cipher},
		remote.State{Key: "f", ETag: res.ETag, Check: obj.Check, Wrapped: obj.Key, KeyID: obj.KeyID, Attr: c.Attr},
	)
	c.Lock()
	defer c.Unlock()
	c.StepLocked(EvReady)
	c.EndAttemptLocked()
	c.EndUploadLocked(nil, s.View)
	c.LandLocked(ver, s.Gen, true)
	c.GoOnLocked(s.Gen)
	return ver, nil
}

// commit does all of it, unless there is nothing to do.
func (r *rig) commit(c *Content) *remote.Version {
	r.t.Helper()
	c.Lock()
	clean, ver := c.State == Clean, c.Base
	c.Unlock()
	if clean {
		return ver
	}
	r.ask(c)
	ver, err := r.finish(c, r.snapshot(c))
	r.must(err)
	return ver
}

// random is the same for the same length.
func random(n int) []byte {
	p := make([]byte, n)
	var seed [32]byte
	seed[0] = byte(n)
	_, _ = rand.NewChaCha8(seed).Read(p)
	return p
}
