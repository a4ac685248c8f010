package stored

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"mcfs/config"
	"mcfs/internal/paths"
	"mcfs/internal/status"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/store"
)

// Volume is the volume of a configuration as its store has it, read without a mount.
// Its methods may be called by any number of goroutines.
type Volume struct {
	c      config.Config
	opener Opener

	mu sync.Mutex
	st store.Store // nil until it is needed
}

// New is the volume of a configuration, whose store is opened when it is needed.
func New(c config.Config, open Opener) *Volume { return &Volume{c: c, opener: open} }

// Opener opens the store of a configuration.
type Opener func(context.Context, config.Config) (store.Store, error)

// Address is the volume's, "" if it is not in S3.
func (v *Volume) Address() string {
	if v.c.Store.Bucket == "" {
		return ""
	}
	return v.home()
}

// requestTimeout bounds a request that a person waits for.
const requestTimeout = 30 * time.Second

// home is what every address of the volume begins with.
func (v *Volume) home() string { return "s3://" + v.c.Store.Bucket + "/" + v.c.Store.Prefix }

// key is the key of an address in the store.
func (v *Volume) key(address string) (string, error) {
	key, ok := strings.CutPrefix(address, v.home())
	if v.c.Store.Bucket == "" || !ok {
		return "", verdict.Errorf(verdict.NotInVolume, "choose another with --config", "%s is not in the volume of this configuration (%s)", address, status.VolumeName(v.c))
	}
	return key, nil
}

// open opens the store where it is not open yet.
func (v *Volume) open(ctx context.Context) (store.Store, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.st != nil {
		return v.st, nil
	}
	if v.c.Store.Kind == config.StoreDir {
		if _, err := os.Stat(v.c.Store.Path); err != nil {
			return nil, verdict.Errorf(verdict.NoBucket, "correct store.path", "store folder: %w", err)
		}
	}
	st, err := v.opener(ctx, v.c)
	if err != nil {
		return nil, err
	}
	v.st = st
	return st, nil
}

// Close closes the store, if it was needed.
func (v *Volume) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.st == nil {
		return nil
	}
	return v.st.Close()
}

// Settings reads the sidecar of an address.
func (v *Volume) Settings(ctx context.Context, address string) ([]byte, error) {
	key, err := v.key(address)
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, verdict.Errorf(verdict.NotInVolume, "choose another with --config", "%s is not in the volume of this configuration (%s)", address, status.VolumeName(v.c))
	}
	if !sidecar.Is(key) {
		key = sidecar.Name(key)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errors.New("no answer in time"))
	defer cancel()
	st, err := v.open(ctx)
	if err != nil {
		return nil, err
	}
	body, _, err := st.Get(ctx, key, store.Range{}, "")
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil, verdict.With(fmt.Errorf("%s has no settings: there is no object %s", address, v.home()+key), verdict.NoSettings, "correct the address")
	case err != nil:
		return nil, clearer(ctx, st, err)
	}
	defer body.Close()
	return ReadSettings(body, v.home()+key)
}

// ErrLink is an address at which a symbolic link is kept.
var ErrLink = errors.New("it is a symbolic link: name what it leads to")

// typeBits of a mode say what is kept, and linkBits that it is a symbolic link.
const (
	typeBits = 0o170000
	linkBits = 0o120000
)

// Foreign reports whether the object at an address was not encrypted by mcfs, and its ETag.
func (v *Volume) Foreign(ctx context.Context, address string) (etag string, foreign bool, err error) {
	key, err := v.key(address)
	if err != nil {
		return "", false, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errors.New("no answer in time"))
	defer cancel()
	st, err := v.open(ctx)
	if err != nil {
		return "", false, err
	}
	info, err := st.Head(ctx, key)
	if err != nil {
		return "", false, clearer(ctx, st, err)
	}
	if attr, err := sidecar.ParseAttr(info.Metadata); err == nil && attr.Mode&typeBits == linkBits {
		return "", false, fmt.Errorf("%s: %w", address, ErrLink)
	}
	_, ours, _ := sidecar.ParseObject(info.Metadata) // malformed, it is ours all the same
	return info.ETag, !ours, nil
}

// clearer is what a check of the store says of an error for which there may be a cure.
func clearer(ctx context.Context, st store.Store, err error) error {
	if !errors.Is(err, store.ErrNoBucket) && !errors.Is(err, store.ErrDenied) && !errors.Is(err, store.ErrUnavailable) {
		return err
	}
	if clear := st.Check(ctx); clear != nil {
		return clear
	}
	return err
}

// page is one page of the keys that begin with a prefix.
func (v *Volume) page(ctx context.Context, prefix, token string) (store.Page, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errors.New("no answer in time"))
	defer cancel()
	st, err := v.open(ctx)
	if err != nil {
		return store.Page{}, err
	}
	page, err := st.List(ctx, prefix, "", token, 0)
	if err != nil {
		return page, clearer(ctx, st, err)
	}
	return page, nil
}

// Below names the encrypted files at and below an address; with plain all objects there.
func (v *Volume) Below(ctx context.Context, address string, plain bool, wanted func(string) bool, do func(paths.Found) bool) bool {
	prefix, err := v.key(address)
	if err != nil {
		return do(paths.Found{Path: address, Err: err})
	}
	folder := strings.TrimSuffix(prefix, "/") + "/"
	for token := ""; ; {
		page, err := v.page(ctx, prefix, token)
		if err != nil {
			return do(paths.Found{Path: address, Err: err})
		}
		for _, o := range page.Objects {
			key, ok := sidecar.Base(o.Key)
			if plain {
				key, ok = o.Key, !ok && !strings.HasSuffix(o.Key, "/")
			}
			if !ok || prefix != "" && key != prefix && !strings.HasPrefix(key, folder) || !wanted(path.Base(key)) {
				continue
			}
			if !do(paths.Found{Path: v.home() + key, Walked: true}) {
				return false
			}
		}
		if token = page.Next; token == "" {
			return true
		}
	}
}

// ReadSettings reads a sidecar that can be relied on: it is complete, and within the limits that
// MediaConvert sets.
func ReadSettings(r io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, sidecar.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if _, err := sidecar.Parse(text); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}
