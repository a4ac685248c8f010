package offline

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mcfs/crypt"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/volume/fetch"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

// maxStarts is how often a file is begun anew whose upload the store has lost.
const maxStarts = 3

// encrypt puts one file under a key, unless it is there. It reports what it has done.
func (w *Writer) encrypt(ctx context.Context, s *source, key string, force, dry bool) (State, error) {
	there, side, err := w.before(ctx, key)
	if err != nil {
		return Failed, err
	}
	if there != nil && !force {
		return w.compare(ctx, s, key, there, dry)
	}
	if dry {
		return Would, nil
	}
	for range maxStarts {
		if err = w.put(ctx, s, key, there, side); !errors.Is(err, upload.ErrLost) || errors.Is(err, errChanged) {
			break
		}
		s.again()
	}
	return w.outcome(key, err)
}

// outcome is what has become of a file that was put.
func (w *Writer) outcome(key string, err error) (State, error) {
	if errors.Is(err, upload.ErrConflict) {
		return Failed, verdict.Errorf(verdict.StoreChanged, "run the same command again", "%s: %w", w.name(key), err)
	}
	if err != nil {
		return Failed, err
	}
	return Done, nil
}

// before looks at what stands under a key, and refuses one that cannot have a file.
func (w *Writer) before(ctx context.Context, key string) (there *remote.Version, side *remote.FoundSidecar, err error) {
	if err := w.checkKey(key); err != nil {
		return nil, nil, err
	}
	if base, ok := sidecar.Base(key); ok {
		of, err := w.look(ctx, base)
		if err != nil {
			return nil, nil, err
		}
		if of != nil {
			return nil, nil, verdict.Errorf(verdict.Exists, "rename it", "%s has the name of the settings of %s", w.name(key), w.name(base))
		}
	}
	if there, err = w.look(ctx, key); err != nil {
		return nil, nil, err
	}
	side, err = w.checkSidecar(ctx, key, there)
	return there, side, err
}

// checkSidecar looks for what stands where the sidecar is to be. What is no sidecar stays; one
// without its object is returned, to go before the object comes.
func (w *Writer) checkSidecar(ctx context.Context, key string, there *remote.Version) (lost *remote.FoundSidecar, err error) {
	if there != nil && !there.Sidecar().IsNone() && there.Damage == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	found, err := w.remote.LookSidecar(ctx, key)
	if err != nil || found == nil {
		return nil, err
	}
	if _, err := sidecar.Parse(found.Text); err != nil {
		return nil, verdict.Errorf(verdict.Exists, "rename one of them", "%s is a file of its own, and has the name that the settings need", w.name(sidecar.Name(key)))
	}
	return found, nil
}

// compare reports whether what stands under a key is the source: then there is nothing to do.
func (w *Writer) compare(ctx context.Context, s *source, key string, there *remote.Version, dry bool) (State, error) {
	same, mac, err := w.same(ctx, s.reader(), s.size(), there)
	if err != nil {
		return Failed, err
	}
	if err := s.unchanged(); err != nil {
		return Failed, err
	}
	if !same {
		return Failed, w.another(key)
	}
	if !there.Sidecar().IsNone() || dry {
		return There, nil
	}
	content := there.Content
	content.MAC = mac
	now := there.State()
	now.Attr = s.attr()
	ctx, cancel := tail(ctx)
	defer cancel()
	if err := w.remote.PublishFound(ctx, remote.NewVersion(content, now), key); err != nil {
		return Failed, err
	}
	return There, nil
}

// another refuses to replace what is there.
func (w *Writer) another(key string) error {
	return verdict.Errorf(verdict.Exists, "--force replaces it", "%s is there already, and is another", w.name(key))
}

// same reports whether a version was made of this content, which is encrypted once more to nowhere:
// that gives the same check, and nothing has to be fetched. A version without one is read.
func (v *Volume) same(ctx context.Context, content io.ReadSeeker, size int64, x *remote.Version) (same bool, mac string, err error) {
	if x.Damage != nil || x.Foreign() || x.IsSymlink() || x.Plain != size {
		return false, "", nil
	}
	wrapped, keyID := x.DataKey()
	key, err := v.unwrap(ctx, wrapped, keyID)
	if err != nil {
		return false, "", err
	}
	defer clear(key)
	n, mac, err := crypt.EncryptStream(io.Discard, reading{ctx, content}, x.Mode, key, x.IV)
	if err != nil || n != size {
		return false, "", err
	}
	if x.MAC != "" {
		return crypt.SameMAC(x.MAC, mac) == nil, mac, nil
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return false, "", err
	}
	same, err = v.equal(ctx, content, x)
	return same, mac, err
}

// equal reports whether what a version decrypts to is this content.
func (v *Volume) equal(ctx context.Context, content io.Reader, x *remote.Version) (bool, error) {
	r, err := v.open(ctx, x)
	if err != nil {
		return false, err
	}
	defer r.Close()
	same := comparing{content: content}
	err = copyPlain(ctx, &same, r, x.Plain)
	if errors.Is(err, errDiffers) || errors.Is(err, fetch.ErrTampered) {
		return false, nil
	}
	return err == nil, err
}

// put makes a version of a source, and its sidecar. It gives upload's errors.
func (w *Writer) put(ctx context.Context, s *source, key string, there *remote.Version, side *remote.FoundSidecar) error {
	up, err := w.start(ctx, upload.Target{Key: key, Acked: s.sent}, nil)
	if err != nil {
		return err
	}
	defer up.Abort()
	p := &publication{w: w, from: s, key: key, there: there, side: side, up: up}
	defer p.end(ctx)
	moving, stop := whileMoving(ctx, w.c.Upload.Timeout, p.moved, p.waits)
	defer stop()
	return p.finish(ctx, moving, s, s.size())
}

// start begins an upload under a key of its own.
func (w *Writer) start(ctx context.Context, t upload.Target, from upload.Source) (*upload.Upload, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	dataKey, err := w.pool.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	defer dataKey.Wipe()
	iv, err := crypt.NewIV(w.mode, w.c.Crypt.IVBytes)
	if err != nil {
		return nil, err
	}
	return w.uploads.Start(t, dataKey, w.mode, iv, from)
}
