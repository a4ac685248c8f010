package upload

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/store"
)

// draft is a file being written, all in memory; its views are copies.
type draft struct {
	mu      sync.Mutex
	data    []byte
	failing error // of the next Freezes
	views   atomic.Int64
	reads   atomic.Int64 // bytes
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
		return nil, fmt.Errorf("freeze %d+%d of %d bytes", off, n, len(d.data))
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

// spy stands before a real store: it records what leaves and fails what it is told to.
type spy struct {
	store.Store
	t testing.TB

	mu     sync.Mutex
	calls  map[string]int
	before func(ctx context.Context, call string, n int) error // an error: the call is not carried out
	after  func(call string, n int) error                      // an error: carried out, and the answer lost
	refuse func(part int) bool                                 // parts, from 0, that are not taken
	left   map[string][]packet                                 // by mcfs-iv
	ivs    map[string]string                                   // by upload id
}

// packet is the body of one call.
type packet struct {
	part int // from 0
	data []byte
}

func newSpy(t testing.TB, s store.Store) *spy {
	return &spy{Store: s, t: t, calls: map[string]int{}, left: map[string][]packet{}, ivs: map[string]string{}}
}

func (s *spy) enter(ctx context.Context, call string) (int, error) {
	s.mu.Lock()
	s.calls[call]++
	n, f := s.calls[call], s.before
	s.mu.Unlock()
	if f == nil {
		return n, ctx.Err()
	}
	return n, f(ctx, call, n)
}

func (s *spy) leave(call string, n int) error {
	s.mu.Lock()
	f := s.after
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(call, n)
}

func (s *spy) count(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call]
}

func (s *spy) hooks(before func(context.Context, string, int) error, after func(string, int) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// record notes the body as sent, whether or not the call will succeed: it left.
func (s *spy) record(iv string, part int, b store.Body) error {
	data, err := io.ReadAll(b)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if int64(len(data)) != b.Size {
		s.t.Errorf("part %d has %d bytes, said to have %d", part+1, len(data), b.Size)
	}
	s.mu.Lock()
	s.left[iv] = append(s.left[iv], packet{part, data})
	s.mu.Unlock()
	_, err = b.Seek(0, io.SeekStart)
	return err
}

func (s *spy) Put(ctx context.Context, key string, b store.Body, a store.Attributes, c store.Condition) (store.Info, error) {
	if err := s.record(a.Metadata["mcfs-iv"], 0, b); err != nil {
		return store.Info{}, err
	}
	n, err := s.enter(ctx, "Put")
	if err != nil {
		return store.Info{}, err
	}
	info, err := s.Store.Put(ctx, key, b, a, c)
	if err == nil {
		err = s.leave("Put", n)
	}
	return info, err
}

func (s *spy) Begin(ctx context.Context, key string, a store.Attributes) (store.Upload, error) {
	n, err := s.enter(ctx, "Begin")
	if err != nil {
		return store.Upload{}, err
	}
	up, err := s.Store.Begin(ctx, key, a)
	if err == nil {
		s.mu.Lock()
		s.ivs[up.ID] = a.Metadata["mcfs-iv"]
		s.mu.Unlock()
		if err = s.leave("Begin", n); err != nil {
			return store.Upload{}, err
		}
	}
	return up, err
}

func (s *spy) PutPart(ctx context.Context, up store.Upload, number int, b store.Body) (store.Part, error) {
	s.mu.Lock()
	iv, refuse := s.ivs[up.ID], s.refuse
	s.mu.Unlock()
	if err := s.record(iv, number-1, b); err != nil {
		return store.Part{}, err
	}
	if refuse != nil && refuse(number-1) {
		return store.Part{}, store.ErrUnavailable
	}
	n, err := s.enter(ctx, "PutPart")
	if err != nil {
		return store.Part{}, err
	}
	p, err := s.Store.PutPart(ctx, up, number, b)
	if err == nil {
		err = s.leave("PutPart", n)
	}
	return p, err
}

func (s *spy) Complete(ctx context.Context, up store.Upload, parts []store.Part, c store.Condition) (store.Info, error) {
	n, err := s.enter(ctx, "Complete")
	if err != nil {
		return store.Info{}, err
	}
	info, err := s.Store.Complete(ctx, up, parts, c)
	if err == nil {
		err = s.leave("Complete", n)
	}
	return info, err
}

func (s *spy) Abort(ctx context.Context, up store.Upload) error {
	if _, err := s.enter(ctx, "Abort"); err != nil {
		return err
	}
	return s.Store.Abort(ctx, up)
}

func (s *spy) Head(ctx context.Context, key string) (store.Info, error) {
	if _, err := s.enter(ctx, "Head"); err != nil {
		return store.Info{}, err
	}
	return s.Store.Head(ctx, key)
}

// checkP2 asserts that under no key and IV two different ciphertexts, and so
// two plaintexts under one keystream, left for one offset.
func (s *spy) checkP2(t interface{ Fatalf(string, ...any) }, l layout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for iv, packets := range s.left {
		longest := map[int][]byte{} // parts do not overlap: they begin where their number says
		for _, p := range packets {
			n := min(len(p.data), len(longest[p.part]))
			if !bytes.Equal(p.data[:n], longest[p.part][:n]) {
				t.Fatalf("IV %s: two different contents left for part %d", iv, p.part+1)
			}
			if n < len(p.data) {
				longest[p.part] = p.data
			}
			if end := l.offset(p.part) + int64(len(p.data)); end > l.end(p.part)+maxTail {
				t.Fatalf("part %d reaches %d", p.part+1, end)
			}
		}
	}
}

const testPart = 32 << 10

// testEngine makes an engine with small parts and short pauses.
func testEngine(t testing.TB, s store.Store, change func(*Config)) *Engine {
	t.Helper()
	c := Config{Store: s, PartSize: testPart, Concurrency: 4, Memory: 1 << 20}
	if change != nil {
		change(&c)
	}
	e := NewEngine(c)
	e.pause = func(int, error) time.Duration { return time.Millisecond }
	t.Cleanup(e.Close)
	return e
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

// eventually waits up to 10 s for ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 10 s: %s", what)
}

func noUploads(t testing.TB, s store.Store) {
	t.Helper()
	eventually(t, "no upload left in the store", func() bool {
		ups, err := s.Uploads(context.Background(), "")
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
