package offline

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"

	"mcfs/config"
	"mcfs/internal/backend"
	"mcfs/internal/human"
	"mcfs/internal/inventory"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/store"
)

// whyGone is said of what an inventory names, and the store has no more.
const whyGone = "skipped: it is not there any more"

// named names what a run is about: what is at and below places, or what is in an inventory.
func (v *Volume) named(ctx context.Context, places Places, manifest string, do func(checked) bool) error {
	if manifest != "" {
		return v.inventoried(ctx, manifest, "", do)
	}
	return places(ctx, func(place string, err error) bool { return v.below(ctx, place, err, do) })
}

// inventoried names the keys of an inventory that begin with prefix, in this volume.
func (v *Volume) inventoried(ctx context.Context, name, prefix string, do func(checked) bool) (err error) {
	if v.c.Store.Kind != config.StoreS3 {
		return wrongUse("leave it out, and give the folder", "--manifest is of a bucket, and the store is a folder")
	}
	in, err := openInventory(ctx, v.c, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	if in.list.Source != v.c.Store.Bucket {
		return verdict.Errorf(verdict.NotInVolume, "choose another one, or another configuration with --config", "%s is of the bucket %s", human.Quoted(name), human.Quoted(in.list.Source))
	}
	found, more := 0, true
	for _, f := range in.list.Files {
		err := in.keys(ctx, f, func(full string) bool {
			key, ours := strings.CutPrefix(full, v.c.Store.Prefix)
			if !ours || !strings.HasPrefix(key, prefix) || key == "" || strings.HasSuffix(key, "/") {
				return true // of somebody else, or a directory's marker
			}
			found++
			e := entry{unasked: true}
			e.listing.Key = key
			more = do(checked{e, v.name(key)})
			return more
		})
		if err != nil || !more {
			return err
		}
	}
	if found == 0 {
		return fmt.Errorf("%s has nothing below %s: %w", human.Quoted(name), v.name(prefix), store.ErrNotExist)
	}
	return nil
}

// asked has the store asked about what an inventory names before do looks at it. A sidecar is looked at
// only if its object is gone: else that is named, too.
func (v *Volume) asked(do func(context.Context, checked) Item) func(context.Context, checked) Item {
	return func(ctx context.Context, c checked) Item {
		if !c.unasked {
			return do(ctx, c)
		}
		key := c.listing.Key
		base, isSidecar := sidecar.Base(key)
		if !isSidecar {
			base = key
		}
		e, err := v.single(ctx, base)
		switch {
		case err != nil:
			return Item{Address: v.name(key)}.failed(err)
		case isSidecar && e != nil && !e.lost:
			return Item{}
		case e == nil || e.lost && !isSidecar:
			return Item{Address: v.name(key), State: Skipped, Why: whyGone}
		}
		return do(ctx, checked{*e, c.place})
	}
}

// lists is an inventory, and where it lies.
type lists struct {
	list  *inventory.Manifest
	read  func(ctx context.Context, key string) (io.ReadCloser, error) // a file of it
	close func() error
	c     config.Config
}

// openInventory reads the manifest.json of an inventory: a file of this machine, or an object.
func openInventory(ctx context.Context, c config.Config, name string) (*lists, error) {
	var in *lists
	var err error
	if bucket, key, ok := cutAddress(name); ok {
		in, err = inBucket(ctx, c, bucket, key)
	} else {
		in, err = inFolder(name)
	}
	if errors.Is(err, inventory.ErrMalformed) {
		err = verdict.With(fmt.Errorf("%s: %w", human.Quoted(name), err), verdict.Inventory, "give the manifest.json of an inventory that is made as CSV")
	}
	if err != nil {
		return nil, err
	}
	in.c = c
	return in, nil
}

func cutAddress(name string) (bucket, key string, ok bool) {
	rest, ok := strings.CutPrefix(name, "s3://")
	if !ok {
		return "", "", false
	}
	bucket, key, ok = strings.Cut(rest, "/")
	return bucket, key, ok
}

// inFolder reads a manifest.json of this machine, whose files lie beside it, in a folder data there, or
// in one beside its own, as they do in the bucket. Of a file's key only the name counts.
func inFolder(name string) (*lists, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--manifest: %w", err)
	}
	defer f.Close()
	list, err := inventory.Parse(f)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(name)
	return &lists{list: list, close: func() error { return nil }, read: func(_ context.Context, key string) (io.ReadCloser, error) {
		base := path.Base(key)
		for _, at := range []string{filepath.Join(dir, base), filepath.Join(dir, "data", base), filepath.Join(dir, "..", "data", base)} {
			if f, err := os.Open(at); err == nil || !errors.Is(err, os.ErrNotExist) {
				return f, err
			}
		}
		return nil, fmt.Errorf("%s is neither beside %s nor in a folder data there: %w", human.Quoted(base), human.Quoted(name), os.ErrNotExist)
	}}, nil
}

// inBucket reads a manifest.json of a bucket; its files lie in the bucket that it names.
func inBucket(ctx context.Context, c config.Config, bucket, key string) (*lists, error) {
	a, err := backend.LoadAWS(ctx, c)
	if err != nil {
		return nil, err
	}
	open := func(bucket string) (store.Store, error) {
		other := c
		other.Store.Bucket, other.Store.Prefix = bucket, ""
		return backend.OpenStore(a, other, discard)
	}
	st, err := open(bucket)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = fetchWhole(ctx, c, func(ctx context.Context) (io.ReadCloser, error) { return body(ctx, st, key) }, &text, inventory.MaxManifest)
	if err = errors.Join(err, st.Close()); err != nil {
		return nil, fmt.Errorf("s3://%s/%s: %w", bucket, key, err)
	}
	list, err := inventory.Parse(&text)
	if err != nil {
		return nil, err
	}
	if st, err = open(list.Destination); err != nil {
		return nil, err
	}
	return &lists{list: list, close: st.Close, read: func(ctx context.Context, key string) (io.ReadCloser, error) { return body(ctx, st, key) }}, nil
}

func body(ctx context.Context, st store.Store, key string) (io.ReadCloser, error) {
	r, _, err := st.Get(ctx, key, store.Range{}, "")
	return r, err
}

// maxInventoryFile is how long a file of an inventory may be.
const maxInventoryFile = 8 << 30

// keys names the keys of one file, once it is here whole, and as the manifest says: who waits for them
// takes as long as files take. It has names alone, and no name itself.
func (in *lists) keys(ctx context.Context, f inventory.File, do func(string) bool) (err error) {
	temp, err := os.CreateTemp("", "mcfs-inventory-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, temp.Close()) }()
	if err := os.Remove(temp.Name()); err != nil {
		return err
	}
	sum := md5.New()
	err = fetchWhole(ctx, in.c, func(ctx context.Context) (io.ReadCloser, error) { return in.read(ctx, f.Key) }, io.MultiWriter(temp, sum), maxInventoryFile)
	if err != nil {
		return fmt.Errorf("%s of the inventory: %w", human.Quoted(f.Key), err)
	}
	if len(f.MD5) > 0 && !bytes.Equal(sum.Sum(nil), f.MD5) {
		err = fmt.Errorf("its MD5 is not the manifest's: %w", inventory.ErrMalformed)
	} else if _, err = temp.Seek(0, io.SeekStart); err == nil {
		err = in.list.Keys(temp, do)
	}
	if errors.Is(err, inventory.ErrMalformed) {
		return verdict.With(fmt.Errorf("%s of the inventory: %w", human.Quoted(f.Key), err), verdict.Inventory, "fetch it again, or take the next inventory")
	}
	return err
}

// copyInventory is how much is copied until it is noted that something has moved.
const copyInventory = 64 << 10

// fetchWhole copies what open opens, as long as something moves, and no more than limit bytes.
func fetchWhole(ctx context.Context, c config.Config, open func(context.Context) (io.ReadCloser, error), w io.Writer, limit int64) error {
	var n atomic.Int64
	ctx, stop := whileMoving(ctx, c.Upload.Timeout, n.Load, func() bool { return false })
	defer stop()
	r, err := open(ctx)
	if err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	defer r.Close()
	for {
		k, err := io.CopyN(w, r, copyInventory)
		if n.Add(k) > limit {
			return fmt.Errorf("it is longer than %s: %w", human.Size(limit), inventory.ErrMalformed)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errors.Join(context.Cause(ctx), err)
		}
	}
}
