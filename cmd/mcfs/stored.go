package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"

	"mcfs/config"
	"mcfs/internal/paths"
	"mcfs/internal/status"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/store"
)

// storedVolume is the volume of a configuration as its store has it, read without a mount.
// Its methods may be called by any number of goroutines.
type storedVolume struct {
	c config.Config

	mu sync.Mutex
	st store.Store // nil until it is needed
}

func newStoredVolume(file string) (*storedVolume, error) {
	c, err := loadConfig(file)
	if err != nil {
		return nil, err
	}
	return &storedVolume{c: c}, nil
}

// home is what every address of the volume begins with.
func (v *storedVolume) home() string { return "s3://" + v.c.Store.Bucket + "/" + v.c.Store.Prefix }

// key is the key of an address in the store.
func (v *storedVolume) key(address string) (string, error) {
	key, ok := strings.CutPrefix(address, v.home())
	if v.c.Store.Bucket == "" || !ok {
		return "", verdict.Errorf(verdict.NotInVolume, "choose another with --config", "%s is not in the volume of this configuration (%s)", address, status.VolumeName(v.c))
	}
	return key, nil
}

// open opens the store where it is not open yet.
func (v *storedVolume) open(ctx context.Context) (store.Store, error) {
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
	a, err := loadAWS(ctx, v.c)
	if err != nil {
		return nil, err
	}
	v.st, err = openStore(a, v.c, discard)
	return v.st, err
}

func (v *storedVolume) close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.st == nil {
		return nil
	}
	return v.st.Close()
}

// settings reads the sidecar of an address.
func (v *storedVolume) settings(ctx context.Context, address string) ([]byte, error) {
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
	return readSettings(body, v.home()+key)
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
func (v *storedVolume) page(ctx context.Context, prefix, token string) (store.Page, error) {
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

// below names the encrypted files at and below an address.
func (r *inputReader) below(ctx context.Context, address string, wanted func(string) bool, do func(paths.Found) bool) bool {
	v, err := r.volume()
	if err != nil {
		return do(paths.Found{Path: address, Err: err})
	}
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
