package fetch

import (
	"bytes"
	"context"
	"crypto/rand"
	"hash/crc32"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/store/dir"
)

// troubled is a real store whose GETs are counted and, on demand, slow, broken or changed.
type troubled struct {
	store.Store

	mu      sync.Mutex
	latency time.Duration
	// before runs at the start of GET number n (from 1); its error is the GET's.
	before func(ctx context.Context, n int, r store.Range) error
	// body may replace the body of GET number n.
	body func(n int, r store.Range, b io.ReadCloser) io.ReadCloser

	gets          int
	bytes         int64
	running, most int // GETs under way, now and at most
}

func (s *troubled) Get(ctx context.Context, key string, r store.Range, tag string) (io.ReadCloser, store.Info, error) {
	s.mu.Lock()
	s.gets++
	s.running++
	s.most = max(s.most, s.running)
	n, latency, before, change := s.gets, s.latency, s.before, s.body
	s.mu.Unlock()
	err := wait(ctx, latency)
	if err == nil && before != nil {
		err = before(ctx, n, r)
	}
	if err != nil {
		s.ended()
		return nil, store.Info{}, err
	}
	body, info, err := s.Store.Get(ctx, key, r, tag)
	if err != nil {
		s.ended()
		return nil, info, err
	}
	if change != nil {
		body = change(n, r, body)
	}
	return &counted{ReadCloser: body, s: s, ctx: ctx}, info, nil
}

func wait(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// set changes what the store does while it may be in use.
func (s *troubled) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *troubled) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}

// seen gives the counts and begins new ones.
func (s *troubled) seen() (gets int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gets, bytes = s.gets, s.bytes
	s.gets, s.bytes, s.most = 0, 0, 0
	return gets, bytes
}

// counted counts bytes, and ends with its context, as a connection does.
type counted struct {
	io.ReadCloser
	s    *troubled
	ctx  context.Context
	once sync.Once
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.ReadCloser.Read(p)
	c.s.mu.Lock()
	c.s.bytes += int64(n)
	c.s.mu.Unlock()
	return n, err
}

func (c *counted) Close() error {
	c.once.Do(c.s.ended)
	return c.ReadCloser.Close()
}

// changed is a body in which the byte at one offset of the object is flipped.
type changed struct {
	io.ReadCloser
	at  int64 // of the next byte read
	bad int64
}

func (c *changed) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if i := c.bad - c.at; i >= 0 && i < int64(n) {
		p[i] ^= 0x40
	}
	c.at += int64(n)
	return n, err
}

// broken is a body that fails after some bytes.
type broken struct {
	io.ReadCloser
	left int
}

func (b *broken) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// kind is one way that an object can be encrypted and read.
type kind struct {
	name      string
	mode      crypt.Mode
	iv        int
	streaming bool
	mac       bool
}

var kinds = []kind{
	{name: "foreign"},
	{name: "CTR", mode: crypt.CTR, iv: 16, mac: true},
	{name: "CTR-12-no-mac", mode: crypt.CTR, iv: 12},
	{name: "CBC", mode: crypt.CBC, iv: 16, mac: true},
	{name: "CBC-no-mac", mode: crypt.CBC, iv: 16},
	{name: "GCM", mode: crypt.GCM, iv: 12, mac: true},
	{name: "GCM-16-no-mac", mode: crypt.GCM, iv: 16},
	{name: "GCM-streaming", mode: crypt.GCM, iv: 12, streaming: true},
}

func kindNamed(t testing.TB, name string) kind {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		t.Fatalf("no kind %q", name)
	}
	return kinds[i]
}

// object is one in a store, with all that is needed to read it.
type object struct {
	st     *troubled
	kind   kind
	plain  []byte
	cipher []byte
	key    []byte

	mu      sync.Mutex
	version Version
	at, tag string
}

// newObject encrypts size random bytes with crypt and puts them into a real store.
func newObject(t testing.TB, k kind, size int) *object {
	t.Helper()
	o := &object{st: &troubled{Store: newStore(t)}, kind: k, at: "film.mp4", plain: make([]byte, size), key: make([]byte, 32)}
	source := mathrand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(k.mode)})
	source.Read(o.plain)
	rand.Read(o.key)
	o.version = Version{Mode: k.mode, Plain: int64(size), Locate: o.locate}
	o.cipher = o.plain
	if k.mode != 0 {
		o.encrypt(t)
	}
	o.version.Cipher = int64(len(o.cipher))
	o.put(t, o.at, o.cipher)
	return o
}

func (o *object) encrypt(t testing.TB) {
	t.Helper()
	iv, err := crypt.NewIV(o.kind.mode, o.kind.iv)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	out.Grow(len(o.plain) + aesBlock)
	_, mac, err := crypt.EncryptStream(&out, bytes.NewReader(o.plain), o.kind.mode, o.key, iv)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := crypt.NewIntegrity(o.kind.mode, o.key, iv)
	if err != nil {
		t.Fatal(err)
	}
	o.cipher = out.Bytes()
	o.version.IV = iv
	o.version.Check = keys.Check()
	if o.kind.mac {
		o.version.MAC = mac
	}
}

// put stores bytes under a key, which is where the version is from then on.
func (o *object) put(t testing.TB, key string, b []byte) {
	t.Helper()
	info, err := o.st.Put(context.Background(), key, store.Body{
		ReadSeeker: bytes.NewReader(b),
		Size:       int64(len(b)),
		CRC32C:     crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)),
	}, store.Attributes{}, store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	o.move(key, info.ETag)
}

func (o *object) move(key, tag string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at, o.tag = key, tag
}

func (o *object) locate() (string, string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at, o.tag
}

// protected says that a whole pass finds any change.
func (o *object) protected() bool { return o.kind.mac || o.kind.mode == crypt.GCM }

// engine is one for the object's store and kind.
func (o *object) engine(t testing.TB, c Config) *Engine {
	t.Helper()
	c.Store, c.Streaming = o.st, o.kind.streaming
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	e := NewEngine(c)
	t.Cleanup(e.Close)
	return e
}

func (o *object) open(t testing.TB, e *Engine, cache Cache) *Reader {
	t.Helper()
	r, err := e.Open(o.version, o.key, cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// reader opens the object in an engine of its own.
func (o *object) reader(t testing.TB, c Config, cache Cache) *Reader {
	t.Helper()
	return o.open(t, o.engine(t, c), cache)
}

// check reads n bytes at off and compares them.
func (o *object) check(t testing.TB, s *Stream, off, n int) {
	t.Helper()
	p := make([]byte, n)
	got, err := s.ReadAt(t.Context(), p, int64(off))
	want := o.plain[min(off, len(o.plain)):min(off+n, len(o.plain))]
	if got != len(want) || !bytes.Equal(p[:got], want) {
		t.Fatalf("read %d at %d: %d bytes, want %d; right: %v; error: %v", n, off, got, len(want), bytes.Equal(p[:got], want[:min(got, len(want))]), err)
	}
	if short := len(want) < n; short && err != io.EOF || !short && err != nil {
		t.Fatalf("read %d at %d of %d: error %v", n, off, len(o.plain), err)
	}
}

// readAll reads from the start to the end in steps, and returns what it was given before an error.
func readAll(ctx context.Context, s *Stream, step int) ([]byte, error) {
	all := make([]byte, 0, s.r.lay.plain)
	p := make([]byte, step)
	for {
		n, err := s.ReadAt(ctx, p, int64(len(all)))
		all = append(all, p[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// stopAfter makes bodies stop after n bytes until the gate is closed.
func stopAfter(n int, gate chan struct{}) func(int, store.Range, io.ReadCloser) io.ReadCloser {
	return func(_ int, _ store.Range, b io.ReadCloser) io.ReadCloser {
		return &stopped{ReadCloser: b, left: n, gate: gate}
	}
}

type stopped struct {
	io.ReadCloser
	left int
	gate chan struct{}
}

func (s *stopped) Read(p []byte) (int, error) {
	if s.left == 0 {
		<-s.gate
		return s.ReadCloser.Read(p)
	}
	n, err := s.ReadCloser.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

func newStore(t testing.TB) store.Store {
	t.Helper()
	st, err := dir.New(dir.Options{Path: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// leftovers is what a Reader and its Engine have under way or in memory.
type leftovers struct {
	flights, ahead, gets int
	used                 int64
}

func leftOf(r *Reader) leftovers {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	return leftovers{len(r.flights), r.waiting, r.e.running, r.e.used}
}
