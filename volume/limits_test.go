package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
)

// absent is a keeper that a test can send away.
type absent struct {
	keys.Keeper
	away atomic.Bool
}

func (k *absent) New(ctx context.Context, bits int) (keys.DataKey, error) {
	if k.away.Load() {
		return keys.DataKey{}, fmt.Errorf("sent away by the test: %w", keys.ErrUnavailable)
	}
	return k.Keeper.New(ctx, bits)
}

func (k *absent) Unwrap(ctx context.Context, wrapped []byte, id string) ([]byte, error) {
	if k.away.Load() {
		return nil, fmt.Errorf("sent away by the test: %w", keys.ErrUnavailable)
	}
	return k.Keeper.Unwrap(ctx, wrapped, id)
}

// TestKeeperDown: what has its key in memory reads on; files are written as long
// as keys were fetched ahead, and after that a write fails with EIO, soon.
func TestKeeperDown(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.close()
	k := &absent{Keeper: r.keeper}
	r.o.Keeper = k
	r.open("spool-keeper")
	p := random(300_000)
	r.save("a", p)
	if !bytes.Equal(r.load("a"), p) {
		t.Fatal("content differs")
	}
	k.away.Store(true)
	if !bytes.Equal(r.load("a"), p) {
		t.Error("a cached file is not read on")
	}
	saved := 0
	var err error
	for ; err == nil && saved < 1000; saved++ {
		h := r.create(fmt.Sprint(saved), os.O_TRUNC)
		begun := time.Now()
		if _, err = h.WriteAt(t.Context(), []byte("x"), 0); err == nil {
			err = h.Flush(t.Context(), nil)
		}
		if took := time.Since(begun); took > 15*time.Second {
			t.Errorf("it took %s", took)
		}
		h.Release()
	}
	if saved < 2 || !errors.Is(err, ErrIO) {
		t.Errorf("save %d gave %v", saved, err)
	}
	k.away.Store(false)
}

// TestFullSpoolRefusesTheWrite: where nothing that leaves makes room, write says
// so; the close then has nothing to say, if the program has cut off what is not whole.
func TestFullSpoolRefusesTheWrite(t *testing.T) { synctest.Test(t, fullSpoolRefusesTheWrite) }

func fullSpoolRefusesTheWrite(t *testing.T) {
	r, f := newFlakyRigOf(t, crypt.CTR, lightPart)
	r.close()
	r.max = 2 << 20
	r.open("spool-small")
	f.set(down)
	h := r.create("a", os.O_TRUNC)
	p, off := random(64<<10), int64(0)
	var err error
	for ; err == nil && off < 4<<20; off += int64(len(p)) {
		_, err = h.WriteAt(t.Context(), p, off)
	}
	if !errors.Is(err, ErrFull) || off < 512<<10 {
		t.Fatalf("after %d KiB: %v", off>>10, err)
	}
	f.set(nil)
	r.truncate(h, off-int64(len(p)))
	r.finish(h)
	got := r.load("a")
	for i := int64(0); i < off-int64(len(p)); i += int64(len(p)) {
		if !bytes.Equal(got[i:i+int64(len(p))], p) {
			t.Fatalf("what was written at %d is not there", i)
		}
	}
	r.truthful()
}

// TestLargeFileToALocalName: what is too large to be fetched into the spool is
// renamed in the store, and so it is on its way back.
func TestLargeFileToALocalName(t *testing.T) {
	r := newRig(t, crypt.CTR)
	p := random(localiseLimit + 1)
	r.save("a", p)
	r.cold() // nothing of it is cached
	r.mustRename("a", "a~", 0)
	r.sync()
	r.expectObjects("a~")
	r.truthful()
	r.mustRename("a~", "a", 0)
	r.sync()
	r.expectObjects("a", "a.settings.json")
	if !bytes.Equal(r.load("a"), p) {
		t.Error("content differs")
	}
}
