package offline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/config"
	"mcfs/internal/backend"
	"mcfs/internal/leftover"
	"mcfs/internal/verdict"
	"mcfs/keys"
	"mcfs/store"
	"mcfs/volume/naming"
	"mcfs/volume/orphans"
	"mcfs/volume/upload"
)

const (
	// beginning is how long the store may take to begin an upload, apart how far its clock may be
	// from what its answers told of it.
	beginning = time.Minute
	apart     = 10 * time.Second
	// keysAhead is how many data keys are fetched ahead, at most, and keyAge how old they become.
	keysAhead = 32
	keyAge    = 5 * time.Minute
)

// Writer is a volume into which something is put.
type Writer struct {
	*Volume
	rules   *naming.Rules
	uploads *upload.Engine
	pool    *keys.Pool
	orphans *orphans.Aborter
	notes   *leftover.Notes
	settles time.Duration
}

// OpenWriter opens a volume to be written, and finishes or takes away what killed runs have left; not
// so where nothing is to be done but to look. The caller closes it.
func OpenWriter(ctx context.Context, c config.Config, look bool) (*Writer, error) {
	b, err := backend.Open(ctx, c, discard)
	if err != nil {
		return nil, err
	}
	p := remains{notes: c.Spool.Dir + notesSuffix, settles: 5 * time.Second}
	if look {
		p.notes = "" // where nobody has left any
	}
	return newWriter(ctx, c, b, p)
}

// notesSuffix makes the folder of the notes of that of the spool.
const notesSuffix = ".unmounted"

// remains says where what is left is noted, and how long uploads that were given up are waited for.
type remains struct {
	notes   string
	looks   []time.Duration // after an abort; nil: as long as parts may arrive
	settles time.Duration   // until the first look at all of them, at most
}

// newWriter puts the parts together. After an error the store is closed.
func newWriter(ctx context.Context, c config.Config, b backend.Backend, p remains) (*Writer, error) {
	rules, err := naming.NewRules(c.Mount.LocalOnly)
	if err != nil {
		return nil, errors.Join(err, b.Store.Close())
	}
	notes, err := leftover.Open(p.notes)
	if err != nil {
		return nil, errors.Join(err, b.Store.Close())
	}
	w := &Writer{rules: rules, notes: notes, settles: p.settles}
	if w.Volume, err = newVolume(c, b, announced{b.Store, notes}, false); err != nil {
		return nil, errors.Join(err, notes.Close())
	}
	w.pool = keys.NewPool(b.Keeper, keys.PoolOptions{Bits: c.Keys.Bits, Size: keysAhead, MaxAge: keyAge, Log: discard})
	w.orphans = orphans.New(orphans.Config{Store: b.Store, Forget: w.forgetUpload, Looks: p.looks, Log: discard})
	w.uploads = upload.NewEngine(upload.Config{
		Store: announced{b.Store, notes}, PartSize: int64(c.Upload.PartSize), Concurrency: c.Upload.Concurrency, Orphans: w.orphans, Log: discard,
	})
	if err := w.finish(ctx); err != nil {
		return nil, errors.Join(verdict.With(fmt.Errorf("what an earlier run has left cannot be finished: %w", err), verdict.CodeOf(err), "run the same command again"), w.Close(ctx))
	}
	return w, nil
}

// Close ends what is under way, and waits until what was given up is gone from the store: as long as
// parts of it may still arrive, or a moment only once ctx has ended. What is left then is noted.
func (w *Writer) Close(ctx context.Context) error {
	w.uploads.Close()
	err := w.finish(context.WithoutCancel(ctx))
	w.awaitGone(ctx)
	w.orphans.Close()
	w.pool.Close()
	return errors.Join(err, w.Volume.Close(), w.notes.Close())
}

// awaitGone waits until no upload is noted any more.
func (w *Writer) awaitGone(ctx context.Context) {
	if !w.hasUploads() {
		return
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.settles)
	defer cancel()
	w.orphans.Settle(short)
	late := time.After(orphans.Straggle + 2*time.Second)
	for tick := time.NewTicker(50 * time.Millisecond); w.hasUploads(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-late:
			return
		}
	}
}

func (w *Writer) hasUploads() bool {
	for _, n := range w.notes.All() {
		if n.Content().Upload != nil {
			return true
		}
	}
	return false
}

// forgetUpload removes the note of an upload of which nothing is left.
func (w *Writer) forgetUpload(up store.Upload) { forgetUpload(w.notes, up.ID) }

func forgetUpload(notes *leftover.Notes, id string) {
	for _, n := range notes.All() {
		if u := n.Content().Upload; u != nil && u.ID == id {
			_ = n.Forget() // the next run looks for it once more
		}
	}
}

// finish does what the notes say is owed.
func (w *Writer) finish(ctx context.Context) error {
	for _, n := range w.notes.All() {
		if err := w.finishNote(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) finishNote(ctx context.Context, n *leftover.Note) error {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	c := n.Content()
	switch {
	case c.Upload != nil:
		w.orphans.Abort(store.Upload{Key: c.Upload.Key, ID: c.Upload.ID})
		return nil
	case c.Begins != nil:
		return w.seek(ctx, n, *c.Begins)
	}
	return w.finishObject(ctx, n, *c.Object)
}

// seek looks for an upload of whose begin no answer came, and gives it up.
func (w *Writer) seek(ctx context.Context, n *leftover.Note, b leftover.Begins) error {
	list, err := w.store.Uploads(ctx, b.Key)
	if err != nil {
		return fmt.Errorf("look for an upload to %s: %w", w.name(b.Key), err)
	}
	for _, up := range list {
		if up.Key != b.Key || up.Initiated.Before(b.Since.Add(-apart)) || up.Initiated.After(b.Until.Add(apart)) {
			continue
		}
		if _, err := w.notes.Add(leftover.Content{Upload: &leftover.Upload{Key: up.Key, ID: up.ID}}); err != nil {
			return err
		}
		w.orphans.Abort(up)
	}
	if w.store.Now().From.Before(b.Until) {
		return nil // the request may still be on its way: the note stays for the next run
	}
	return n.Forget()
}

// finishObject puts the sidecar of an object that has come, or puts that of the one before back.
func (w *Writer) finishObject(ctx context.Context, n *leftover.Note, o leftover.Object) error {
	made, err := o.Made.Version()
	if err != nil {
		return err
	}
	key, _ := made.Place()
	replaced := made.Fallback()
	_, ours, err := w.remote.Find(ctx, made, key)
	switch {
	case err != nil:
		return err
	case ours:
		err = w.remote.PublishFound(ctx, made, key)
	case time.Since(o.Since) < orphans.Straggle:
		return nil // the request of a run that was killed may still be on its way: a later look decides
	default:
		err = w.remote.RestoreSidecar(ctx, replaced, key)
	}
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return err
	}
	return n.Forget()
}

// announced is a store whose uploads are noted before they begin.
type announced struct {
	store.Store
	notes *leftover.Notes
}

func (a announced) Begin(ctx context.Context, key string, attr store.Attributes) (store.Upload, error) {
	now := a.Now()
	n, err := a.notes.Add(leftover.Content{Begins: &leftover.Begins{Key: key, Since: now.From, Until: now.To.Add(beginning)}})
	if err != nil {
		return store.Upload{}, err
	}
	up, err := a.Store.Begin(ctx, key, attr)
	switch {
	case err == nil:
		return up, n.Change(leftover.Content{Upload: &leftover.Upload{Key: key, ID: up.ID}})
	case errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrPrecondition):
		return up, errors.Join(err, n.Forget()) // it was understood and refused
	}
	return up, err
}

func (a announced) Complete(ctx context.Context, up store.Upload, parts []store.Part, cond store.Condition) (store.Info, error) {
	info, err := a.Store.Complete(ctx, up, parts, cond)
	if err == nil {
		forgetUpload(a.notes, up.ID)
	}
	return info, err
}
