package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcfs/internal/backend"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/store"
)

// noise is content that is the same each time.
func noise(n int) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(p)
	return p
}

var modes = []string{"CTR", "CBC", "GCM"}

// TestEncrypt: a tree is there as it was, in each mode and of sizes around those of parts; again it
// is left alone, and with force it is anew, under keys and IVs of its own.
func TestEncrypt(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			r := newRig(t, mode)
			files := map[string][]byte{"empty": nil, "a/one": {1}, "a/b/16": noise(16), "part": noise(32 << 10), "more": noise(32<<10 + 1), "long": noise(300_001)}
			for name, content := range files {
				r.source(name, content)
			}
			seen := make(map[string]bool)
			check := func() {
				t.Helper()
				st, k := r.open()
				r.must(truthful(t.Context(), st, k, func(key string, plain []byte) bool {
					return bytes.Equal(plain, files[strings.TrimPrefix(key, "day/")])
				}))
				list, err := listAll(t.Context(), st)
				r.must(err)
				if len(list) != 2*len(files) {
					t.Fatalf("%d objects: %v", len(list), list)
				}
				for name := range files {
					_, iv, err := byOwnWord(t.Context(), st, k, "day/"+name)
					r.must(err)
					seen[iv] = true
				}
			}
			r.must(r.encrypt("", "day", false))
			check()
			r.must(r.encrypt("", "day", false))
			if s := r.states(); s != `{"there":6}` {
				t.Errorf("again: %s", s)
			}
			check()
			if len(seen) != len(files) {
				t.Errorf("%d IVs for %d versions", len(seen), len(files))
			}
			r.must(r.encrypt("", "day", true))
			check()
			if len(seen) != 2*len(files) {
				t.Errorf("%d IVs for %d versions", len(seen), 2*len(files))
			}
			if _, err := os.Lstat(r.c.Spool.Dir + ".unmounted"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("notes are left: %v", err)
			}
		})
	}
}

// TestAttributes: mode and time of the source are those that the settings state.
func TestAttributes(t *testing.T) {
	r := newRig(t, "CTR")
	at := r.source("f", []byte("x"))
	when := time.Unix(1_600_000_000, 123456789)
	r.must(os.Chtimes(at, when, when))
	r.must(r.encrypt("f", "f", false))
	st, _ := r.open()
	info, err := st.Head(t.Context(), sidecar.Name("f"))
	r.must(err)
	meta, whole, err := sidecar.ParseMeta(info.Metadata)
	if err != nil || !whole || meta.Attr.Mode != 0o100640 || !meta.Attr.Mtime.Equal(when) || meta.Size != 1 || meta.MAC == "" {
		t.Errorf("%+v, %v, %v", meta, whole, err)
	}
}

// TestNothingIsOverwritten: another content, a foreign object, a folder, a file where a folder is
// needed, and settings of another's name stay as they are.
func TestNothingIsOverwritten(t *testing.T) {
	r := newRig(t, "CTR")
	r.source("f", []byte("first"))
	r.must(r.encrypt("f", "f", false))
	r.must(r.encrypt("f", "d/f", false))
	st, k := r.open()
	put := func(key, text string) {
		_, err := st.Put(t.Context(), key, store.Body{ReadSeeker: strings.NewReader(text), Size: int64(len(text)), CRC32C: crcOf(text)}, store.Attributes{}, store.Condition{})
		r.must(err)
	}
	put("foreign", "later")
	put("g"+sidecar.Suffix, "somebody's file")
	r.source("f", []byte("later"))
	for _, c := range []struct{ to, why string }{
		{"f", "another"}, {"foreign", "another"}, {"d", "is a folder"}, {"f/x", "is a file"}, {"f/x/y", "is a file"}, {"f/", "is a file"},
		{"g", "a file of its own"}, {"f" + sidecar.Suffix, "the name of the settings"},
	} {
		err := r.encrypt("f", c.to, false)
		if err == nil || !strings.Contains(err.Error()+r.out.String(), c.why) || !strings.Contains(string(verdict.CodeOf(err))+r.out.String(), string(verdict.Exists)) {
			t.Errorf("%s: %v\n%s", c.to, err, r.out.String())
		}
	}
	for key, want := range map[string]string{"f": "first", "d/f": "first"} {
		if plain, _, err := byOwnWord(t.Context(), st, k, key); err != nil || string(plain) != want {
			t.Errorf("%s is %q now: %v", key, plain, err)
		}
	}
	r.must(r.encrypt("f", "f", true))
	if plain, _, err := byOwnWord(t.Context(), st, k, "f"); err != nil || string(plain) != "later" {
		t.Errorf("f is %q: %v", plain, err)
	}
}

// TestChangedSource: a file that is written while it is read is refused, at whatever moment, and no
// stretch of it is read as two contents.
func TestChangedSource(t *testing.T) {
	r := newRig(t, "CTR")
	at := r.source("f", noise(100_000))
	s, err := openSource(at, true)
	r.must(err)
	defer s.close()
	p := make([]byte, 1000)
	_, err = s.ReadAt(p, 50_000)
	r.must(err)
	r.must(os.WriteFile(at, noise(99_999), 0o600))
	if _, err := s.ReadAt(p, 50_000); !errors.Is(err, errChanged) {
		t.Errorf("a stretch was read as two contents: %v", err)
	}
	if err := s.unchanged(); !errors.Is(err, errChanged) {
		t.Errorf("the change was not seen: %v", err)
	}
	s.sent(50_000, 1000)
	if _, err := s.ReadAt(p, 50_000); err != nil {
		t.Errorf("what has left is not compared any more: %v", err)
	}
}

// TestNoLinkIsFollowed: what has become a link since it was found in a tree is not read.
func TestNoLinkIsFollowed(t *testing.T) {
	r := newRig(t, "CTR")
	at := r.source("f", []byte("x"))
	r.must(os.Symlink(at, at+".link"))
	if s, err := openSource(at+".link", true); err == nil {
		s.close()
		t.Error("a link was followed")
	}
	s, err := openSource(at+".link", false)
	r.must(err)
	s.close()
}

// TestStream: standard input of any length is there, of which little stays in memory; and again it
// is compared.
func TestStream(t *testing.T) {
	for _, mode := range modes {
		for _, n := range []int{0, 1, 32 << 10, 5_000_001} {
			r := newRig(t, mode)
			content := noise(n)
			run := func(content []byte, force bool) error {
				return Encrypt(t.Context(), Encryption{Options: r.options(), Config: r.c, Source: "-", In: bytes.NewReader(content), Target: r.place("x/in"), Force: force})
			}
			r.must(run(content, false))
			st, k := r.open()
			r.must(truthful(t.Context(), st, k, func(_ string, plain []byte) bool { return bytes.Equal(plain, content) }))
			r.must(run(content, false))
			if s := r.states(); s != `{"there":1}` {
				t.Errorf("%s of %d again: %s", mode, n, s)
			}
			if err := run(append(content, 1), false); err == nil {
				t.Errorf("%s of %d was replaced unasked", mode, n)
			}
			r.must(run(append(content, 1), true))
		}
	}
}

// TestInflowLetsGo: what the store has taken of a stream is not in memory any more.
func TestInflowLetsGo(t *testing.T) {
	f := newInflow()
	content := noise(5*blockSize + 77)
	for at := 0; at < len(content); at += blockSize {
		f.add(bytes.Clone(content[at:min(at+blockSize, len(content))]))
	}
	for at := 0; at < 4*blockSize; at += 96 << 10 {
		f.sent(int64(at), 96<<10)
	}
	if n := f.waiting(); n > 2*blockSize {
		t.Errorf("%d bytes are in memory", n)
	}
	rest := make([]byte, len(content)-5*blockSize+10)
	if _, err := f.ReadAt(rest, int64(5*blockSize-10)); err != nil || !bytes.Equal(rest, content[5*blockSize-10:]) {
		t.Errorf("the rest is not what it was: %v", err)
	}
}

// TestLeftAfterAnyChange: the machine dies at each change of the store in turn, before it has an
// effect and after: every object decrypts at every moment, by its own word and by its sidecar; and
// the next run leaves nothing but the files, whole.
func TestLeftAfterAnyChange(t *testing.T) {
	for _, mode := range modes {
		for _, replaces := range []bool{false, true} {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/replaces %v/after %v", mode, replaces, after), func(t *testing.T) {
					t.Parallel()
					for at := 1; dieAt(t, mode, at, after, replaces); at++ {
					}
				})
			}
		}
	}
}

// dieAt dies at a change, and runs again. It reports whether there was such a change.
func dieAt(t *testing.T, mode string, at int, after, replaces bool) bool {
	t.Helper()
	r := newRig(t, mode)
	old, content := []byte("what was there before"), map[string][]byte{"small": []byte("small"), "long": noise(70_000)}
	meant := func(key string, plain []byte) bool {
		return bytes.Equal(plain, content[key]) || replaces && bytes.Equal(plain, old)
	}
	if replaces {
		for name := range content {
			r.source(name, old)
		}
		r.must(r.encrypt("", "", false))
	}
	for name, text := range content {
		r.source(name, text)
	}
	st, k := r.open()
	d := &dying{at: at, after: after, look: func() error { return truthful(t.Context(), st, k, meant) }}
	e := Encryption{Options: r.options(), Config: r.c, Source: filepath.Join(r.dir, "source"), Target: r.place(""), Force: replaces}
	e.Parallel = 1
	source, tree, err := e.files()
	r.must(err)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { // the death of a machine ends what waits, too
		for !d.isDead() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel(errDead)
	}()
	run := func(ctx context.Context, through func(store.Store) store.Store) error {
		b, err := backend.Open(t.Context(), r.c, discard)
		r.must(err)
		w, err := newWriter(t.Context(), r.c, backend.Backend{Store: through(b.Store), Keeper: b.Keeper}, remains{r.c.Spool.Dir + notesSuffix, []time.Duration{time.Millisecond}, 20 * time.Millisecond})
		r.must(err)
		err = w.run(ctx, e, source, tree)
		return errors.Join(err, w.Close(ctx))
	}
	_ = run(ctx, func(s store.Store) store.Store { d.Store = s; return d })
	died := d.isDead()
	cancel(errDead)
	if d.wrong != nil {
		t.Fatalf("change %d: %v", at, d.wrong)
	}
	if !died {
		return false
	}
	r.must(truthful(t.Context(), st, k, meant))
	r.must(run(t.Context(), func(s store.Store) store.Store { return s }))
	r.must(truthful(t.Context(), st, k, func(key string, plain []byte) bool { return bytes.Equal(plain, content[key]) }))
	list, err := listAll(t.Context(), st)
	r.must(err)
	if len(list) != 4 {
		t.Fatalf("change %d: the store has %v", at, list)
	}
	if ups, err := st.Uploads(t.Context(), ""); err != nil || len(ups) > 0 {
		t.Fatalf("change %d: unfinished uploads are left: %v, %v", at, ups, err)
	}
	return true
}
