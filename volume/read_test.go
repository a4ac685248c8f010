package volume

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/store"
)

// gets counts what is fetched.
type gets struct {
	store.Store
	n, bytes atomic.Int64
}

func (g *gets) Get(ctx context.Context, key string, r store.Range, ifMatch string) (io.ReadCloser, store.Info, error) {
	g.n.Add(1)
	g.bytes.Add(r.Length)
	return g.Store.Get(ctx, key, r, ifMatch)
}

// TestReadingStraightOnIsSeen: what was fetched ahead is in the cache before it is
// read; that the reader went straight on must be seen all the same, or the
// read-ahead starts from its least again and again.
func TestReadingStraightOnIsSeen(t *testing.T) { synctest.Test(t, readingStraightOnIsSeen) }

func readingStraightOnIsSeen(t *testing.T) {
	const size = 16 << 20 // 128 reads, which would be as many GETs
	for _, mode := range modes {
		r := newRig(t, mode)
		r.save("a", random(size))
		r.close()
		g := &gets{Store: r.o.Store}
		r.o.Store = g
		r.open("elsewhere")
		for _, pause := range []time.Duration{0, 2 * time.Millisecond} {
			h := r.openFile("a", os.O_RDONLY)
			g.n.Store(0)
			g.bytes.Store(0)
			p := make([]byte, 128<<10)
			for off := int64(0); off < size; off += int64(len(p)) {
				if _, err := h.ReadAt(t.Context(), p, off); err != nil && err != io.EOF {
					t.Fatal(err)
				}
				time.Sleep(pause)
			}
			h.Release()
			if n, fetched := g.n.Load(), g.bytes.Load(); n > 20 || fetched > size+size/8 {
				t.Errorf("%s, %v between reads: %d GETs of %d bytes for %d", mode, pause, n, fetched, size)
			} else {
				t.Logf("%s, %v between reads: %d GETs of %d bytes", mode, pause, n, fetched)
			}
			r.close()
			r.open(fmt.Sprint("elsewhere-", pause))
		}
		r.close()
	}
}

// TestPatchOfAForeignObject: somebody else's object, of which a part is written, becomes
// a version of ours; its other bytes stay.
func TestPatchOfAForeignObject(t *testing.T) {
	for _, mode := range modes {
		r := newRig(t, mode)
		p := random(200_000)
		r.plant("a", p, nil)
		h := r.openFile("a", os.O_RDWR)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if _, err := h.WriteAt(ctx, []byte("ours"), 100_000); err != nil {
			t.Fatal(err)
		}
		cancel()
		r.finish(h)
		copy(p[100_000:], "ours")
		r.cold()
		if !bytes.Equal(r.load("a"), p) {
			t.Errorf("%v: other bytes than were there and written", mode)
		}
		r.truthful()
	}
}
