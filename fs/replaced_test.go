package fs

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/store/dir"
	"mcfs/volume"
)

// describing is a store that calls a function, once, before what a description is read by.
type describing struct {
	store.Store
	before func()
}

func (d *describing) Head(ctx context.Context, key string) (store.Info, error) {
	d.call()
	return d.Store.Head(ctx, key)
}

func (d *describing) Get(ctx context.Context, key string, r store.Range, ifMatch string) (io.ReadCloser, store.Info, error) {
	d.call()
	return d.Store.Get(ctx, key, r, ifMatch)
}

func (d *describing) call() {
	if f := d.before; f != nil {
		d.before = nil
		f()
	}
}

// machine is a volume of a machine of its own on st, whose answers are never fresh.
func machine(t *testing.T, st store.Store, keeper keys.Keeper) *volume.Volume {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	sp, err := spool.Open(spool.Options{Dir: filepath.Join(t.TempDir(), "spool"), MaxSize: 64 << 20, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	v, err := volume.Open(t.Context(), volume.Options{Store: st, Keeper: keeper, Spool: sp, Log: log, Mode: crypt.CTR, Fresh: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := sp.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// saveOn saves a file of the root on a machine, and waits until it is in the store.
func saveOn(t *testing.T, v *volume.Volume, name, content string) {
	t.Helper()
	_, h, err := v.Root().Create(t.Context(), name, os.O_RDWR|os.O_TRUNC, 0o644, 0, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if _, err := h.WriteAt(t.Context(), []byte(content), 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Flush(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := v.Sync(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
}

// TestReplacedWhileLookedUp: a file that another machine replaces while its description is
// fetched for a lookup can be opened by what that lookup answers. The kernel looks again
// only once, so that a program would get ESTALE of a file that is saved again and again.
func TestReplacedWhileLookedUp(t *testing.T) {
	raw, err := dir.New(dir.Options{Path: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := keys.CreateLocal(filepath.Join(t.TempDir(), "keyring"))
	if err != nil {
		t.Fatal(err)
	}
	writer := machine(t, raw, keeper)
	saveOn(t, writer, "film.mp4", "the first")
	hook := &describing{Store: raw}
	reader := machine(t, hook, keeper)
	replaced := 0
	hook.before = func() {
		replaced++
		saveOn(t, writer, "film.mp4", "the second")
		if _, err := reader.Root().ReadDir(t.Context()); err != nil { // another program lists, and sees the second
			t.Error(err)
		}
	}
	o := Options{Log: slog.New(slog.DiscardHandler)}
	f := newFilesystem(reader, o)
	kernel := gofs.NewNodeFS(&dirNode{node: node{fs: f, v: reader.Root()}}, f.nodeOptions(o))
	kernel.Init(nil)
	var found fuse.EntryOut
	if status := kernel.Lookup(nil, &fuse.InHeader{NodeId: 1}, "film.mp4", &found); !status.Ok() {
		t.Fatalf("lookup: %v", status)
	}
	if replaced != 1 || found.Size != uint64(len("the second")) {
		t.Errorf("replaced %d times, and %d bytes are told of", replaced, found.Size)
	}
	var opened fuse.OpenOut
	if status := kernel.Open(nil, &fuse.OpenIn{InHeader: fuse.InHeader{NodeId: found.NodeId}}, &opened); !status.Ok() {
		t.Errorf("open of what was found: %v", status)
	}
}
