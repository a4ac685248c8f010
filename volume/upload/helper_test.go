package upload

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/orphans"
)

// draft is a file being written, all in memory; its views are copies.
type draft struct {
	mu      sync.Mutex
	data    []byte
	written int64 // as spool.File has it
	failing error // of the next Freezes
	views   atomic.Int64
	reads   atomic.Int64  // bytes
	late    atomic.Int64  // reads of views that were released
	slow    time.Duration // of each read
}

type frozen struct {
	d    *draft
	off  int64
	data []byte
	gone atomic.Bool
	fail atomic.Pointer[error]
}

func (d *draft) Freeze(off, n int64) (View, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failing != nil {
		return nil, d.failing
	}
	if off+n > int64(len(d.data)) {
		return nil, fmt.Errorf("freeze %d+%d of %d bytes: %w", off, n, len(d.data), ErrShort)
	}
	return d.view(off, n), nil
}

func (d *draft) view(off, n int64) *frozen {
	d.views.Add(1)
	return &frozen{d: d, off: off, data: bytes.Clone(d.data[off : off+n])}
}

// whole freezes all of it.
func (d *draft) whole() *frozen {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.view(0, int64(len(d.data)))
}

func (f *frozen) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fail.Load(); err != nil {
		return 0, *err
	}
	time.Sleep(f.d.slow)
	if f.gone.Load() {
		f.d.late.Add(1)
	}
	if f.gone.Load() || off < f.off {
		return 0, fmt.Errorf("read at %d of a view from %d, released %v", off, f.off, f.gone.Load())
	}
	f.d.reads.Add(int64(len(p)))
	return bytes.NewReader(f.data).ReadAt(p, off-f.off)
}

func (f *frozen) Release() {
	if f.gone.Swap(true) {
		panic("view released twice")
	}
	f.d.views.Add(-1)
}

// write changes the draft as WriteAt would.
func (d *draft) write(p []byte, off int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if grow := off + len(p) - len(d.data); grow > 0 {
		d.data = append(d.data, make([]byte, grow)...)
	}
	copy(d.data[off:], p)
	d.written = max(d.written, int64(off+len(p)))
}

// truncate changes its size as Truncate would.
func (d *draft) truncate(size int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if size > len(d.data) {
		d.data = append(d.data, make([]byte, size-len(d.data))...)
	}
	d.data, d.written = d.data[:size:size], min(d.written, int64(size))
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func dataKey() keys.DataKey {
	return keys.DataKey{Plain: randomBytes(32), Wrapped: randomBytes(64), KeyID: "local:test"}
}

func freshIV(t testing.TB, m crypt.Mode, n int) []byte {
	t.Helper()
	iv, err := crypt.NewIV(m, n)
	if err != nil {
		t.Fatal(err)
	}
	return iv
}

const testPart = 32 << 10

// testEngine makes an engine with small parts and short pauses.
func testEngine(t testing.TB, s store.Store, change func(*Config)) *Engine {
	t.Helper()
	c := Config{Store: s, PartSize: testPart, Concurrency: 4, Memory: 1 << 20}
	if change != nil {
		change(&c)
	}
	if c.Orphans == nil {
		c.Orphans = aborter(t, s)
	}
	e := NewEngine(c)
	e.pause = func(int, error) time.Duration { return time.Millisecond }
	t.Cleanup(e.Close)
	return e
}

// aborter has what was given up vanish, in a hurry.
func aborter(t testing.TB, s store.Store) *orphans.Aborter {
	a := orphans.New(orphans.Config{
		Store: s, Looks: []time.Duration{time.Millisecond}, Pause: func(int) time.Duration { return time.Millisecond },
	})
	t.Cleanup(a.Close)
	return a
}

// fetched is an object of the store, decrypted and checked in every way.
func fetched(t interface {
	Helper()
	Fatalf(string, ...any)
}, s store.Store, name string, key keys.DataKey, r Result) []byte {
	t.Helper()
	body, info, err := s.Get(context.Background(), name, store.Range{}, r.ETag)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	defer body.Close()
	info, err = s.Head(context.Background(), name)
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	o, ok, err := sidecar.ParseObject(info.Metadata)
	if !ok || err != nil {
		t.Fatalf("metadata %v: %v, %v", info.Metadata, ok, err)
	}
	if !bytes.Equal(o.Key, key.Wrapped) || o.KeyID != key.KeyID || info.ContentType != "application/octet-stream" {
		t.Fatalf("object was born as %v, %s", info.Metadata, info.ContentType)
	}
	m, err := crypt.ParseMode(o.Mode)
	if err != nil {
		t.Fatalf("mode: %v", err)
	}
	g, err := crypt.NewIntegrity(m, key.Plain, o.IV)
	if err != nil {
		t.Fatalf("integrity: %v", err)
	}
	if err := g.VerifyCheck(o.Check); err != nil {
		t.Fatalf("mcfs-check: %v", err)
	}
	if info.Size != r.Cipher {
		t.Fatalf("object has %d bytes, result says %d", info.Size, r.Cipher)
	}
	var plain bytes.Buffer
	n, mac, err := crypt.DecryptStream(&plain, body, m, key.Plain, o.IV, info.Size)
	if err != nil {
		t.Fatalf("decrypt: %v", err)
	}
	if n != r.Plain || mac != r.MAC {
		t.Fatalf("decrypted %d bytes with mac %s; result says %d and %s", n, mac, r.Plain, r.MAC)
	}
	return plain.Bytes()
}

// bubble runs a subtest in a bubble, whose time passes while nothing else is to be done. Its
// files are real.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// eventually waits up to a minute for ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within a minute: %s", what)
}

func noUploads(t testing.TB, s store.Store) {
	t.Helper()
	var ups []store.Upload
	var err error
	defer func() {
		if t.Failed() {
			t.Logf("uploads in the store: %v, %v", ups, err)
		}
	}()
	eventually(t, "no upload left in the store", func() bool {
		ups, err = s.Uploads(context.Background(), "")
		return err == nil && len(ups) == 0
	})
}

// forms are all modes with all their sizes of IV.
var forms = []struct {
	mode crypt.Mode
	iv   int
}{{crypt.CTR, 16}, {crypt.CTR, 12}, {crypt.CBC, 16}, {crypt.GCM, 12}, {crypt.GCM, 16}}

func formName(m crypt.Mode, iv int) string { return fmt.Sprintf("%v-%d", m, iv) }

// equal says that two contents are the same, without printing them.
func equal(t interface {
	Helper()
	Fatalf(string, ...any)
}, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	t.Fatalf("content differs at %d (%d bytes, want %d)", at, len(got), len(want))
}

func mustContain(t testing.TB, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Fatalf("error %v, want one that says %q", err, part)
	}
}
