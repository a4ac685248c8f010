package volume

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
)

// Stores and objects made to harm.

// liar is a store that answers some calls as a test likes.
type liar struct {
	store.Store
	list func(prefix, token string) (store.Page, bool)
	get  func(key string, r store.Range) (io.ReadCloser, store.Info, bool)
	head func(key string) (store.Info, bool)
}

func (l *liar) List(ctx context.Context, prefix, delimiter, token string, most int) (store.Page, error) {
	if l.list != nil {
		if page, ok := l.list(prefix, token); ok {
			return page, nil
		}
	}
	return l.Store.List(ctx, prefix, delimiter, token, most)
}

func (l *liar) Get(ctx context.Context, key string, r store.Range, ifMatch string) (io.ReadCloser, store.Info, error) {
	if l.get != nil {
		if body, info, ok := l.get(key, r); ok {
			return body, info, nil
		}
	}
	return l.Store.Get(ctx, key, r, ifMatch)
}

func (l *liar) Head(ctx context.Context, key string) (store.Info, error) {
	if l.head != nil {
		if info, ok := l.head(key); ok {
			return info, nil
		}
	}
	return l.Store.Head(ctx, key)
}

func newLiar(t *testing.T, mode crypt.Mode) (*rig, *liar) {
	r := newRig(t, mode)
	r.close()
	l := &liar{Store: r.store}
	r.o.Store = l
	r.open("spool-liar")
	return r, l
}

// TestListingsWithoutEnd: of a list that leads in a circle. The directory cannot be listed, soon
// and with little asked; its names can be opened.
func TestListingsWithoutEnd(t *testing.T) {
	r, l := newLiar(t, crypt.CTR)
	r.save("a", []byte("content"))
	var asked atomic.Int64
	l.list = func(prefix, token string) (store.Page, bool) {
		if prefix != "" {
			return store.Page{}, false
		}
		page := store.Page{Next: fmt.Sprint(asked.Add(1) % 3)}
		for i := range 10 { // the same ones again, and out of order
			page.Objects = append(page.Objects, store.Info{Key: fmt.Sprint("x", (i*7)%10), Size: 1, ETag: `"e"`})
		}
		return page, true
	}
	r.close()
	r.open("spool-list")
	begun := time.Now()
	if list, err := r.v.Root().ReadDir(t.Context()); err == nil {
		t.Errorf("%d names", len(list))
	}
	if took := time.Since(begun); took > 20*time.Second || asked.Load() > 20 {
		t.Errorf("%d pages were asked for, in %v", asked.Load(), took)
	}
	if got := r.load("a"); string(got) != "content" {
		t.Errorf("%q", got)
	}
}

// TestMoveOverAListWithoutEnd: neither does the renaming of a directory go round
// for ever; it is tried again.
func TestMoveOverAListWithoutEnd(t *testing.T) {
	r, l := newLiar(t, crypt.CTR)
	r.mkdir("d")
	r.save("d/a", []byte("content"))
	var asked, lies atomic.Int64
	lies.Store(1)
	l.list = func(prefix, token string) (store.Page, bool) {
		if prefix != "d/" || lies.Load() == 0 {
			return store.Page{}, false
		}
		return store.Page{Next: fmt.Sprint(asked.Add(1) % 2)}, true
	}
	r.mustRename("d", "e", 0)
	r.await(func(s Status) bool {
		return len(s.Changes) > 0 && s.Changes[0].Failure != nil && strings.Contains(s.Changes[0].Failure.Cause, "repeats itself")
	})
	lies.Store(0)
	r.sync()
	r.reads("e/a", "content")
	r.expectObjects("e/", "e/a", "e/a.settings.json")
}

// TestKeysThatNoPathSpells are not shown, wherever the store puts them, and do
// not keep what is beside them from being shown.
func TestKeysThatNoPathSpells(t *testing.T) {
	long := strings.Repeat("k", 1024)
	keys := []string{
		"", "/", "//", "/abs", "..", ".", "../x", "./x", "d//x", "d/./x", "d/../x", "d/..", "d/.", "nul\x00x", "\xff\xfe", "a\x00.settings.json",
		long, long[:256], "..settings.json", ".settings.json", "/.settings.json", "d/x/y", // not folded, though it was asked to
	}
	r, l := newLiar(t, crypt.CTR)
	r.save("good", []byte("content"))
	r.mkdir("d")
	r.save("d/good", []byte("content"))
	r.sync()
	lie := false
	l.list = func(prefix, token string) (store.Page, bool) {
		if !lie || token != "" {
			return store.Page{}, false
		}
		page, err := l.Store.List(context.Background(), prefix, "/", "", 0)
		if err != nil {
			t.Error(err)
		}
		for _, k := range keys {
			page.Objects = append(page.Objects, store.Info{Key: prefix + k, Size: 3, ETag: `"e"`}, store.Info{Key: k, Size: 3, ETag: `"e"`})
			page.Prefixes = append(page.Prefixes, prefix+k+"/", k+"/", prefix+k)
		}
		return page, true
	}
	lie = true
	r.close()
	r.open("spool-keys")
	for dir, want := range map[string][]string{"": {"d", "good", "good.settings.json"}, "d": {"good", "good.settings.json"}} {
		list, err := r.node(dir).ReadDir(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if len(e.Name) > 255 || strings.ContainsAny(e.Name, "/\x00") || e.Name == "." || e.Name == ".." || e.Name == "" {
				t.Errorf("%q is shown", e.Name)
			}
		}
		for _, name := range want {
			if !slices.ContainsFunc(list, func(e DirEntry) bool { return e.Name == name }) {
				t.Errorf("%q is not shown", name)
			}
		}
		if len(list) > len(want)+4 { // what is called as a sidecar without its file may be one's own
			t.Errorf("%q: %v", dir, list)
		}
	}
	r.reads("good", "content")
	r.reads("d/good", "content")
	lie = false
}

// TestSizesThatLie: the size in a sidecar's metadata, or that of an object, is
// another than that of the content. What there is to check is checked before a
// byte is given away; a hand-made sidecar has nothing, and is read as far as the
// object goes.
func TestSizesThatLie(t *testing.T) {
	for _, mode := range modes {
		for name, size := range map[string]string{
			"less": "70000", "one less": "99999", "one more": "100001", "nothing": "0", "the most": "9223372036854775807",
			"negative": "-1", "no number": "1e9", "too large": "9223372036854775808", "empty": "",
		} {
			r := newRig(t, mode)
			p := random(100_000)
			r.save("a", p)
			r.save("b", []byte("beside"))
			r.sync()
			r.restate("a.settings.json", func(meta map[string]string) { meta[sidecar.KeySize] = size })
			r.cold()
			if size == "" { // a sidecar made by hand: the object's size tells
				r.reads("a", string(p))
				continue
			}
			r.denied(fmt.Sprint(mode, ", ", name), "a", p)
			r.reads("b", "beside")
		}
	}
}

// restate puts an object again with other metadata, as anybody who may write to the bucket can.
func (r *rig) restate(key string, change func(meta map[string]string)) {
	r.t.Helper()
	text, info := r.raw(key)
	meta := maps.Clone(info.Metadata)
	change(meta)
	maps.DeleteFunc(meta, func(_, v string) bool { return v == "" })
	r.plant(key, text, meta)
}

// raw is what the store has, and plant puts it there.
func (r *rig) raw(key string) ([]byte, store.Info) {
	r.t.Helper()
	body, _, err := r.store.Get(r.t.Context(), key, store.Range{}, "")
	if err != nil {
		r.t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	info, err2 := r.store.Head(r.t.Context(), key)
	if err := errors.Join(err, err2); err != nil {
		r.t.Fatal(err)
	}
	return text, info
}

func (r *rig) plant(key string, text []byte, meta map[string]string) {
	r.t.Helper()
	if _, err := r.store.Put(r.t.Context(), key, bodyOf(text), store.Attributes{Metadata: meta}, store.Condition{}); err != nil {
		r.t.Fatal(err)
	}
}

// denied reads a file from its start to its end: it must fail somewhere, and all
// that was given before must be true.
func (r *rig) denied(what, name string, want []byte) {
	r.t.Helper()
	got, err := r.attempt(name)
	if err == nil {
		r.t.Errorf("%s: %d bytes could be read", what, len(got))
	}
	if len(got) > len(want) || !bytes.Equal(got, want[:len(got)]) {
		r.t.Errorf("%s: wrong bytes among the %d that were read", what, len(got))
	}
}

func (r *rig) attempt(name string) ([]byte, error) {
	r.t.Helper()
	h, err := r.node(name).Open(r.t.Context(), os.O_RDONLY, nil)
	if err != nil {
		return nil, err
	}
	defer h.Release()
	var all []byte
	buf := make([]byte, 65536)
	for {
		k, err := h.ReadAt(r.t.Context(), buf, int64(len(all)))
		all = append(all, buf[:k]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil || len(all) > 1<<20 {
			return all, err
		}
	}
}

// TestSwappedObjects replaces an object, its metadata and its sidecar, each by
// those of another file or by older ones of its own, in every combination. What
// is read is what mcfs once wrote to that name, or to the other one if all three
// were taken from there, or an error: before the first byte, but for ciphertext
// alone in CTR and CBC, which is found out before the last. (That it is the last
// of it, and that it was written to this name, nothing in the format can tell: P9.)
func TestSwappedObjects(t *testing.T) {
	type copy struct {
		text     []byte
		meta     map[string]string
		side     []byte
		sideMeta map[string]string
		plain    []byte
	}
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			r := newRig(t, mode)
			take := func(name string, p []byte) copy {
				r.save(name, p)
				r.sync()
				text, info := r.raw(name)
				side, sideInfo := r.raw(name + ".settings.json")
				return copy{text: text, meta: info.Metadata, side: side, sideMeta: sideInfo.Metadata, plain: p}
			}
			older, other, last := take("a", random(200_001)), take("other", random(200_002)[:200_001]), take("a", random(200_003)[:200_001])
			from := map[string]copy{"older": older, "other": other, "last": last}
			r.close()
			for a, object := range from {
				for b, meta := range from {
					for c, side := range from {
						r.plantAll("a", object.text, meta.meta, side.side, side.sideMeta)
						r.open("spool-" + a + b + c)
						got, err := r.attempt("a")
						r.close()
						what := fmt.Sprintf("object %s, its metadata %s, sidecar %s", a, b, c)
						switch {
						case a == b && b == c: // whole, though perhaps not the last: nothing to be found
							if err != nil || !bytes.Equal(got, object.plain) {
								t.Errorf("%s: %v, right %v", what, err, bytes.Equal(got, object.plain))
							}
						case err == nil:
							t.Errorf("%s: it could be read", what)
						case b == c && mode != crypt.GCM: // only the bytes are another's: the MAC tells, at the end of a pass
							if len(got) >= len(object.plain) {
								t.Errorf("%s: all of it was read", what)
							}
						case len(got) > 0:
							t.Errorf("%s: %d bytes were read", what, len(got))
						}
					}
				}
			}
			r.open("spool-end")
		})
	}
}

// TestSwappedAndBare: an object's bytes replaced, and its sidecar removed. GCM's
// tag tells; in the other modes nothing does, since the MAC went with the sidecar.
// (So it is if the metadata is removed, too: then it is a foreign object.)
func TestSwappedAndBare(t *testing.T) {
	for _, mode := range modes {
		r := newRig(t, mode)
		p := random(100_000)
		r.save("a", p)
		r.save("b", random(100_001)[:100_000])
		r.sync()
		text, _ := r.raw("b")
		_, info := r.raw("a")
		if mode == crypt.CBC { // the end stays, with the padding
			whole, _ := r.raw("a")
			copy(whole[:50_000/16*16], text)
			text = whole
		}
		r.plant("a", text, info.Metadata)
		if err := r.store.Delete(t.Context(), "a.settings.json", store.Condition{}); err != nil {
			t.Fatal(err)
		}
		r.cold()
		got, err := r.attempt("a")
		if mode == crypt.GCM && (err == nil || len(got) > 0) {
			t.Errorf("%s: %d bytes were read, %v", mode, len(got), err)
		}
		if mode != crypt.GCM && (err != nil || bytes.Equal(got, p)) {
			t.Errorf("%s: it is found now (%v): docs/security.md says otherwise", mode, err)
		}
	}
}

// plantAll puts object and sidecar as somebody would who can write to the bucket:
// with a hint that names the object's ETag.
func (r *rig) plantAll(name string, text []byte, meta map[string]string, side []byte, sideMeta map[string]string) {
	r.t.Helper()
	r.plant(name, text, meta)
	_, info := r.raw(name)
	sideMeta = maps.Clone(sideMeta)
	sideMeta[sidecar.KeyETag] = info.ETag
	r.plant(name+".settings.json", side, sideMeta)
}

// TestHugeForeignObject: one of a hundred gigabytes, and others with sizes that
// no object can have, are listed, opened, and read at any place, of which little
// is fetched.
func TestHugeForeignObject(t *testing.T) {
	r, l := newLiar(t, crypt.CTR)
	sizes := map[string]int64{"hundred": 100 << 30, "exa": 1 << 60, "most": math.MaxInt64, "last-block": math.MaxInt64 - 65536}
	var fetched atomic.Int64
	etag := func(key string) string { sum := md5.Sum([]byte(key)); return `"` + hex.EncodeToString(sum[:]) + `"` }
	l.list = func(prefix, token string) (store.Page, bool) {
		var page store.Page
		for _, key := range slices.Sorted(maps.Keys(sizes)) {
			page.Objects = append(page.Objects, store.Info{Key: key, Size: sizes[key], ETag: etag(key), Modified: time.Unix(1e9, 0)})
		}
		return page, true
	}
	l.head = func(key string) (store.Info, bool) {
		return store.Info{Key: key, Size: sizes[key], ETag: etag(key), Modified: time.Unix(1e9, 0)}, sizes[key] > 0
	}
	l.get = func(key string, rg store.Range) (io.ReadCloser, store.Info, bool) {
		info, ok := l.head(key)
		end := sizes[key]
		if rg.Length > 0 {
			end = min(end, rg.Offset+rg.Length)
		}
		return &telltale{at: rg.Offset, end: end, read: &fetched}, info, ok
	}
	r.close()
	r.open("spool-huge")
	for _, name := range []string{"most", "last-block"} { // more than there can be
		if got, err := r.attempt(name); err == nil || len(got) > 0 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		delete(sizes, name)
	}
	for name, size := range sizes {
		a, err := r.node(name).Attr(t.Context())
		if err != nil || a.Size != size {
			t.Errorf("%s: %d bytes, %v", name, a.Size, err)
		}
		fetched.Store(0)
		h := r.openFile(name, os.O_RDONLY)
		for _, at := range []int64{0, 12345, size / 2, size/3 + 1, size - 4096, size - 100} {
			buf := make([]byte, 4096)
			k, err := h.ReadAt(t.Context(), buf, at)
			want := int(min(4096, size-at))
			if err != nil && err != io.EOF || k != want {
				t.Errorf("%s: read at %d of %d: %d bytes, %v", name, at, size, k, err)
			}
			for i, b := range buf[:k] {
				if b != telltaleAt(at+int64(i)) {
					t.Fatalf("%s: wrong byte at %d", name, at+int64(i))
				}
			}
		}
		h.Release()
		if n := fetched.Load(); n > 64<<20 {
			t.Errorf("%s: %d MiB were fetched for six reads of 4 KiB", name, n>>20)
		}
		if used, _ := r.spool.Usage(); used > 64<<20 {
			t.Errorf("%d bytes in the spool", used)
		}
	}
}

// telltale is bytes that tell where they are.
type telltale struct {
	at, end int64
	read    *atomic.Int64
}

func telltaleAt(off int64) byte { return byte(off ^ off>>8 ^ off>>16) }

func (p *telltale) Read(b []byte) (int, error) {
	if p.at >= p.end {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), p.end-p.at))
	for i := range n {
		b[i] = telltaleAt(p.at + int64(i))
	}
	p.at += int64(n)
	p.read.Add(int64(n))
	return n, nil
}

func (p *telltale) Close() error { return nil }

// TestHugeSidecar: a settings.json of a gigabyte beside a file, whatever it
// begins with: no more is read of it than one can have, and the file, of which
// nothing tells the key then, cannot be read.
func TestHugeSidecar(t *testing.T) {
	r, l := newLiar(t, crypt.CTR)
	r.save("a", []byte("content"))
	r.sync()
	text, side := r.raw("a.settings.json")
	r.close()
	for name, begin := range map[string]string{"garbage": "", "a document, and spaces": string(text)} {
		var read atomic.Int64
		huge := store.Info{Key: "a.settings.json", Size: 1 << 30, ETag: `"huge"`, Modified: side.Modified, Metadata: side.Metadata}
		l.list = func(prefix, token string) (store.Page, bool) {
			page, err := l.Store.List(context.Background(), prefix, "/", token, 0)
			for i := range page.Objects {
				if page.Objects[i].Key == huge.Key {
					page.Objects[i] = huge
				}
			}
			return page, err == nil
		}
		l.get = func(key string, rg store.Range) (io.ReadCloser, store.Info, bool) {
			body := io.MultiReader(strings.NewReader(begin), io.LimitReader(spaces{&read}, 1<<30))
			return io.NopCloser(body), huge, key == huge.Key
		}
		r.open("spool-" + strings.ReplaceAll(name, " ", ""))
		if _, err := r.v.Root().ReadDir(t.Context()); err != nil {
			t.Error(err)
		}
		if got, err := r.attempt("a"); err == nil {
			t.Errorf("%s: %q was read", name, got)
		}
		if read.Load() > 1<<20 {
			t.Errorf("%s: %d bytes of it were read", name, read.Load())
		}
		l.list, l.get = nil, nil
		r.close()
	}
	r.open("spool-end")
	r.reads("a", "content")
}

type spaces struct{ read *atomic.Int64 }

func (s spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	s.read.Add(int64(len(p)))
	return len(p), nil
}
