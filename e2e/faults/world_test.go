package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/keys/kmstest"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
	"mcfs/volume"
)

const (
	// stalled is the time limit without progress of a volume's requests where
	// nothing but it ends them, and closing how long its close waits: longer than
	// anything that passes by itself.
	stalled = 4 * time.Second
	closing = 30 * time.Second
	part    = 5 << 20
)

// world is a whole volume but for FUSE: its bucket, its KMS, its spool, and a
// proxy before each server.
type world struct {
	*testing.T
	ctx     context.Context
	mode    crypt.Mode
	home    string
	spools  int
	s3, kms *s3test.Proxy
	server  *kmstest.Server
	session *session
	direct  store.Store
	store   *s3.Store
	keeper  *keys.KMS
	close   time.Duration // how long close waits
	dir     string        // of the spool
	spool   *spool.Spool
	v       *volume.Volume
}

func newWorld(t *testing.T, s3server *s3test.Server, mode crypt.Mode, limit time.Duration) *world {
	w := &world{T: t, ctx: context.Background(), mode: mode, home: t.TempDir(), close: closing}
	w.server = kmstest.Start(t, kmstest.Options{AccessKey: s3server.AccessKey, SecretKey: s3server.SecretKey})
	w.s3, w.kms = s3test.StartProxy(t, s3server.Direct), s3test.StartProxy(t, w.server.URL)
	w.session = &session{key: s3server.AccessKey, secret: s3server.SecretKey}
	o := s3server.Options(strings.NewReplacer("/", " ").Replace(t.Name()) + "/")
	o.Log = slog.New(slog.DiscardHandler)
	w.direct = openStore(t, o)
	o.Endpoint, o.Timeout = w.s3.URL, limit
	o.AWS.Credentials = w.session.provider()
	w.store = openStore(t, o)
	k := keys.KMSOptions{KeyID: w.server.ARN(0), Endpoint: w.kms.URL, AWS: w.server.Config(), Timeout: patience}
	k.AWS.Credentials = w.session.provider()
	w.keeper = newKMS(t, k)
	return w
}

// open opens a volume with a fresh spool, or, with a folder, with that.
func (w *world) open(dir string) {
	w.Helper()
	if dir == "" {
		w.spools++
		dir = filepath.Join(w.home, fmt.Sprint("spool-", w.spools))
	}
	log := slog.New(slog.NewTextHandler(logger{w.T}, &slog.HandlerOptions{Level: slog.LevelInfo}))
	sp, err := spool.Open(spool.Options{Dir: dir, MaxSize: 1 << 30, Log: log})
	w.must(err)
	v, err := volume.Open(w.ctx, volume.Options{
		Store: w.store, Keeper: w.keeper, Spool: sp, Log: log, Mode: w.mode, PartSize: part, CloseTimeout: w.close, Fresh: -1, UploadMemory: 16 << 20, FetchMemory: 16 << 20,
	})
	w.must(err)
	w.dir, w.spool, w.v = dir, sp, v
}

type logger struct{ t *testing.T }

func (l logger) Write(p []byte) (int, error) {
	l.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// shut drains the volume, and demands that nothing is left undone.
func (w *world) shut() {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 3*closing)
	defer cancel()
	if err := w.v.Sync(ctx, ""); err != nil {
		w.Errorf("sync: %v; pending: %+v", err, w.v.Pending())
	}
	w.uploadsEnd(ctx)
	if err := w.v.Close(ctx); err != nil {
		w.Errorf("close the volume: %v", err)
	}
	w.must(w.spool.Close())
}

// uploadsEnd waits until no upload is unfinished. One whose beginning was not
// answered is looked for, and that takes a while; after an unmount the next mount
// would do it.
func (w *world) uploadsEnd(ctx context.Context) {
	w.Helper()
	for {
		ups, err := w.direct.Uploads(w.ctx, "")
		w.must(err)
		if len(ups) == 0 {
			return
		}
		if ctx.Err() != nil {
			w.Errorf("unfinished uploads are left: %+v", ups)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// crash leaves the volume as kill -9 does, and opens another on what its spool
// holds at this moment. From then on the dead one reaches no server.
func (w *world) crash() {
	w.Helper()
	cut := func(s3test.Request) s3test.Fault { return s3test.Fault{Cut: true} }
	w.s3.Hook(cut)
	w.kms.Hook(cut)
	w.s3.Settle(w)
	defer w.s3.Hook(nil)
	defer w.kms.Hook(nil)
	from := w.dir
	w.spools++
	to := filepath.Join(w.home, fmt.Sprint("spool-", w.spools))
	w.must(copyStill(from, to))
	dead, cancel := context.WithCancel(w.ctx)
	cancel()
	_ = w.v.Close(dead) // what it says is that not all is finished
	w.must(w.spool.Close())
	w.open(to)
}

// copyStill copies a spool at one instant: again, if anything changed meanwhile.
func copyStill(from, to string) error {
	for range 100 {
		before, err := state(from)
		if err != nil {
			continue // a file went while it was looked at
		}
		err = copyPrivate(from, to)
		if after, looked := state(from); err == nil && looked == nil && slices.Equal(before, after) {
			return nil
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the spool does not come to rest")
}

// state tells one state of a folder from another.
func state(dir string) (all []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			all = append(all, fmt.Sprint(path, info.Size(), info.ModTime().UnixNano()))
		}
		return err
	})
	return all, err
}

func copyPrivate(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return filepath.WalkDir(to, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = os.Chmod(path, 0o700)
		} else if err == nil {
			err = os.Chmod(path, 0o600)
		}
		return err
	})
}

func (w *world) node(path string) (*volume.Node, error) {
	n := w.v.Root()
	for _, name := range strings.Split(path, "/") {
		c, err := n.Lookup(w.ctx, name)
		if err != nil {
			return nil, err
		}
		n = c
	}
	return n, nil
}

// save writes a file as a program does: open with O_TRUNC, write, close. The
// error is that of the first call that fails.
func (w *world) save(name string, p []byte) error {
	h, err := w.openToWrite(name)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer h.Release()
	for off := 0; off < len(p); off += 1 << 20 {
		if _, err := h.WriteAt(w.ctx, p[off:min(len(p), off+1<<20)], int64(off)); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return closed(h.Flush(w.ctx, nil))
}

func (w *world) openToWrite(name string) (*volume.Handle, error) {
	const flags = os.O_CREATE | os.O_RDWR | os.O_TRUNC
	n, err := w.v.Root().Lookup(w.ctx, name)
	if errors.Is(err, volume.ErrNotExist) {
		_, h, err := w.v.Root().Create(w.ctx, name, flags, 0o644, 1, 2, nil)
		return h, err
	}
	if err != nil {
		return nil, err
	}
	return n.Open(w.ctx, flags, nil)
}

func (w *world) load(name string) ([]byte, error) {
	n, err := w.node(name)
	if err != nil {
		return nil, err
	}
	h, err := n.Open(w.ctx, os.O_RDONLY, nil)
	if err != nil {
		return nil, err
	}
	defer h.Release()
	var all []byte
	buf := make([]byte, 256<<10)
	for {
		k, err := h.ReadAt(w.ctx, buf, int64(len(all)))
		all = append(all, buf[:k]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
