package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/store/dir"
	"mcfs/volume/fetch"
	"mcfs/volume/metacache"
)

// errFails is what the one request gives that is to fail.
var errFails = fmt.Errorf("it is to fail: %w", store.ErrUnavailable)

// failing is a store of which one request can fail, before it has any effect or after it has
// had it. After each request, whatever came of it, every sidecar is looked at.
type failing struct {
	store.Store
	look  func()
	meet  func(n int) // is called before each request; nil: nothing
	mu    sync.Mutex
	count int
	at    int  // the number of the request that fails; 0: none
	lost  bool // it has its effect, and its answer is lost
}

// call counts a request, and does it.
func (f *failing) call(do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if f.meet != nil {
		f.meet(f.count)
	}
	if f.count == f.at && !f.lost {
		return errFails
	}
	err := do()
	f.look()
	if f.count == f.at {
		return errFails
	}
	return err
}

func (f *failing) Put(ctx context.Context, key string, body store.Body, attr store.Attributes, cond store.Condition) (info store.Info, err error) {
	err = f.call(func() (err error) { info, err = f.Store.Put(ctx, key, body, attr, cond); return err })
	return info, err
}

func (f *failing) Get(ctx context.Context, key string, r store.Range, ifMatch string) (body io.ReadCloser, info store.Info, err error) {
	err = f.call(func() (err error) { body, info, err = f.Store.Get(ctx, key, r, ifMatch); return err })
	if err != nil && body != nil {
		_ = body.Close()
		body = nil
	}
	return body, info, err
}

func (f *failing) Head(ctx context.Context, key string) (info store.Info, err error) {
	err = f.call(func() (err error) { info, err = f.Store.Head(ctx, key); return err })
	return info, err
}

func (f *failing) List(ctx context.Context, prefix, delimiter, token string, most int) (page store.Page, err error) {
	err = f.call(func() (err error) { page, err = f.Store.List(ctx, prefix, delimiter, token, most); return err })
	return page, err
}

func (f *failing) Copy(ctx context.Context, c store.Copy) (info store.Info, err error) {
	err = f.call(func() (err error) { info, err = f.Store.Copy(ctx, c); return err })
	return info, err
}

func (f *failing) Delete(ctx context.Context, key string, cond store.Condition) error {
	return f.call(func() error { return f.Store.Delete(ctx, key, cond) })
}

// rig is a Client over a directory, and the versions that a test has put there.
type rig struct {
	t       *testing.T
	s       *failing
	cache   *metacache.Cache
	fetches *fetch.Engine
	c       *Client
	plain   map[string][]byte // by IV
	at      map[string]*Version
	kept    map[string]*Record // of at, as a journal has them

	tries      int
	recovered  bool
	relocation *Relocation
}

func newRig(t *testing.T) *rig {
	t.Helper()
	d := t.TempDir()
	s, err := dir.New(dir.Options{Path: filepath.Join(d, "store"), Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	r := &rig{t: t, plain: make(map[string][]byte), at: make(map[string]*Version), kept: make(map[string]*Record)}
	r.s = &failing{Store: s, look: r.truthful}
	r.fetches = fetch.NewEngine(fetch.Config{Store: s, Concurrency: 2, Memory: 1 << 20, Log: quiet, Timeout: time.Minute})
	r.cache = metacache.Open(filepath.Join(d, "cache"), "", quiet)
	r.client()
	t.Cleanup(func() { r.cache.Close(); r.fetches.Close(); _ = s.Close() })
	return r
}

// client makes the Client of another mount.
func (r *rig) client() {
	r.c = New(Config{
		Store: r.s, Cache: r.cache, Fetch: r.fetches, Log: slog.New(slog.DiscardHandler),
		LocalOnly: func(key string) bool { return strings.HasPrefix(key, "trash/") },
		Unwrap:    func(_ context.Context, wrapped []byte, _ string) ([]byte, error) { return bytes.Clone(wrapped), nil },
	})
}

// must fails the test.
func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// attr are attributes that tell one version from the next.
func attr(mode uint32) sidecar.Attr {
	return sidecar.Attr{Mode: fileBits | mode, UID: 1, GID: 2, Mtime: time.Unix(1700000000, 0).UTC()}
}

// seal encrypts a content: a version that is not in the store, and its ciphertext.
func (r *rig) seal(key string, text string) (*Version, []byte) {
	r.t.Helper()
	dataKey := make([]byte, 32)
	_, _ = rand.Read(dataKey) // the keeper of these tests does not wrap
	iv, err := crypt.NewIV(crypt.CTR, 16)
	r.must(err)
	var body bytes.Buffer
	_, mac, err := crypt.EncryptStream(&body, strings.NewReader(text), crypt.CTR, dataKey, iv)
	r.must(err)
	g, err := crypt.NewIntegrity(crypt.CTR, dataKey, iv)
	r.must(err)
	defer g.Wipe()
	r.plain[string(iv)] = []byte(text)
	content := Content{Mode: crypt.CTR, IV: iv, MAC: mac, Plain: int64(len(text)), Cipher: int64(body.Len())}
	return NewVersion(content, State{Key: key, Check: g.Check(), Wrapped: dataKey, KeyID: "local", Attr: attr(0o644)}), body.Bytes()
}

// object stores a version without its sidecar, as an upload does.
func (r *rig) object(key, text string) *Version {
	r.t.Helper()
	x, body := r.seal(key, text)
	attrs := store.Attributes{ContentType: "application/octet-stream", Metadata: x.Object().Encode()}
	info, err := r.s.Store.Put(r.t.Context(), key, bodyOf(body), attrs, store.Condition{})
	r.must(err)
	x.Arrived(info.ETag, info.Modified)
	r.at[key] = x
	return x
}

// save stores a version with its sidecar.
func (r *rig) save(key, text string) *Version {
	r.t.Helper()
	x := r.object(key, text)
	r.must(r.c.PutSidecar(r.t.Context(), x, key, store.Condition{IfNone: true}, nil))
	return x
}

// foreign stores what mcfs has not made.
func (r *rig) foreign(key, text string) *Version {
	r.t.Helper()
	_, err := r.s.Store.Put(r.t.Context(), key, bodyOf([]byte(text)), store.Attributes{Metadata: map[string]string{"theirs": key}}, store.Condition{})
	r.must(err)
	info, err := r.s.Store.Head(r.t.Context(), key)
	r.must(err)
	x, err := r.c.Load(r.t.Context(), ListingOf(info))
	r.must(err)
	r.at[key] = x
	return x
}

// symlink seals one, which is not in the store.
func (r *rig) symlink(key, target string) *Version {
	r.t.Helper()
	dataKey := keys.DataKey{Plain: make([]byte, 32), KeyID: "local"}
	_, _ = rand.Read(dataKey.Plain)
	dataKey.Wrapped = bytes.Clone(dataKey.Plain)
	a := attr(0o777)
	a.Mode = symlinkBits | 0o777
	x, err := SealSymlink(dataKey, crypt.CTR, 16, key, target, a)
	r.must(err)
	r.at[key] = x
	return x
}

// keep notes the versions, as the journal does before a change begins.
func (r *rig) keep() {
	for key, x := range r.at {
		record := x.Record()
		record.Body = x.State().Body
		r.kept[key] = record
	}
}

// remount gives the next mount what the journal has.
func (r *rig) remount() {
	r.t.Helper()
	r.recovered, r.relocation, r.tries = true, nil, 0
	for key, record := range r.kept {
		x, err := record.Version()
		r.must(err)
		if record.Body != nil {
			x.SetJournaled(record.Body)
		}
		r.at[key] = x
	}
	r.client()
}

// read gives an object whole; nil if there is none.
func (r *rig) read(key string) ([]byte, store.Info) {
	body, _, err := r.s.Store.Get(r.t.Context(), key, store.Range{}, "")
	if errors.Is(err, store.ErrNotExist) {
		return nil, store.Info{}
	}
	r.must(err)
	defer body.Close()
	text, err := io.ReadAll(body)
	r.must(err)
	info, err := r.s.Store.Head(r.t.Context(), key)
	r.must(err)
	return text, info
}

// list gives all keys.
func (r *rig) list() (list []string) {
	page, err := r.s.Store.List(r.t.Context(), "", "", "", 0)
	r.must(err)
	for _, o := range page.Objects {
		list = append(list, o.Key)
	}
	return list
}

// truthful checks that every sidecar that can be read decrypts the object beside it (P3).
func (r *rig) truthful() {
	for _, key := range r.list() {
		base, ok := sidecar.Base(key)
		if !ok {
			continue
		}
		text, _ := r.read(key)
		doc, err := sidecar.Parse(text)
		if err != nil {
			continue
		}
		body, _ := r.read(base)
		if body == nil {
			r.t.Errorf("request %d leaves the sidecar of %s without its object", r.s.count, base)
			continue
		}
		var plain bytes.Buffer
		_, _, err = crypt.DecryptStream(&plain, bytes.NewReader(body), crypt.CTR, doc.Key, doc.IV, int64(len(body)))
		if err != nil || !bytes.Equal(plain.Bytes(), r.plain[string(doc.IV)]) {
			r.t.Errorf("request %d leaves a sidecar that does not decrypt %s: %v", r.s.count, base, err)
		}
	}
}

// snapshot tells what the store has in the end, but for what chance has chosen.
func (r *rig) snapshot() map[string]string {
	out := make(map[string]string)
	for _, key := range r.list() {
		text, info := r.read(key)
		meta := maps.Clone(info.Metadata)
		doc, err := sidecar.Parse(text)
		if err != nil {
			obj, ours, _ := sidecar.ParseObject(meta)
			if ours {
				out[key] = fmt.Sprintf("object of %q, %s", r.plain[string(obj.IV)], meta[sidecar.KeyFileMode])
				continue
			}
			out[key] = fmt.Sprintf("%q %v", text, meta)
			continue
		}
		m, whole, err := sidecar.ParseMeta(meta)
		r.must(err)
		base, _ := sidecar.Base(key)
		_, object := r.read(base)
		out[key] = fmt.Sprintf("sidecar of %q at %s, %d bytes, %o, whole %v, of the object's ETag %v",
			r.plain[string(doc.IV)], doc.FileInput, m.Size, m.Attr.Mode, whole, m.ETag == object.ETag)
	}
	return out
}
