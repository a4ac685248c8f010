package volume

import (
	"bytes"
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

// beginnings is a store that notes what each upload of parts begins with.
type beginnings struct {
	store.Store
	mu    sync.Mutex
	begun []map[string]string // the metadata of each
	keys  []string            // likewise
	parts int                 // that have arrived
}

func (b *beginnings) Begin(ctx context.Context, key string, a store.Attributes) (store.Upload, error) {
	b.mu.Lock()
	b.begun, b.keys = append(b.begun, a.Metadata), append(b.keys, key)
	b.mu.Unlock()
	return b.Store.Begin(ctx, key, a)
}

func (b *beginnings) PutPart(ctx context.Context, up store.Upload, number int, body store.Body) (store.Part, error) {
	p, err := b.Store.PutPart(ctx, up, number, body)
	if err == nil {
		b.mu.Lock()
		b.parts++
		b.mu.Unlock()
	}
	return p, err
}

func (b *beginnings) seen() (begun []map[string]string, parts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.begun, b.parts
}

// patches are writes into a long file, part of which has left.
var patches = []struct {
	name    string
	mode    crypt.Mode
	at      int64
	uploads int
}{
	{"the header", crypt.CTR, 40, 1},
	{"the header of a chain", crypt.CBC, 40, 2},
	{"a part that has left", crypt.CTR, lightPart + 65_536, 2},
	{"a part that has left and is hashed", crypt.GCM, lightPart + 65_536, 2},
	{"the tail of a chain", crypt.CBC, 2_556_250, 1},
}

// TestPatchOfALongFile goes back in a file that leaves while it is written.
// Where the bytes have left already, the upload starts over, under another key
// and IV (P2) and only at close; where they were held back, nothing is sent twice.
func TestPatchOfALongFile(t *testing.T) {
	for _, c := range patches {
		bubble(t, c.name, func(t *testing.T) { patchLongFile(t, c.mode, c.at, c.uploads) })
	}
}

func patchLongFile(t *testing.T, mode crypt.Mode, at int64, uploads int) {
	const step = 64 << 10
	r := newRigOf(t, mode, lightPart)
	r.close()
	b := &beginnings{Store: r.store}
	r.o.Store = b
	r.open("spool-noted")
	p := random(2_562_500)
	h := r.create("a.mp4", os.O_TRUNC)
	for off := 0; off < len(p); off += step {
		r.write(h, p[off:min(len(p), off+step)], int64(off))
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, parts := b.seen(); parts >= 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no part leaves while the file is written")
		}
	}
	r.write(h, []byte("patched"), at)
	copy(p[at:], "patched")
	for range 30 { // and on: what was taken back once leaves early no more
		r.write(h, p[:step], int64(len(p)))
		p = append(p, p[:step]...)
	}
	time.Sleep(100 * time.Millisecond)
	if begun, _ := b.seen(); len(begun) != 1 {
		t.Errorf("%d uploads before the close", len(begun))
	}
	r.finish(h)
	begun, _ := b.seen()
	if len(begun) != uploads {
		t.Errorf("%d uploads, not %d", len(begun), uploads)
	}
	for _, k := range []string{"mcfs-key", "mcfs-iv"} {
		if len(begun) == 2 && begun[0][k] == begun[1][k] {
			t.Errorf("%s was used for two contents", k)
		}
	}
	r.eventually(0)
	r.truthful()
	r.cold()
	if !bytes.Equal(r.load("a.mp4"), p) {
		t.Error("content differs")
	}
}
