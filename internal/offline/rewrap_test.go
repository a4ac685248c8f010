package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/internal/backend"
	"mcfs/internal/verdict"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/remote"
)

// moving is a keeper that also opens what another one has wrapped, as KMS does for keys of one
// account, and can die.
type moving struct {
	keys.Keeper
	old  keys.Keeper
	left int // rewraps until it dies; negative: never
}

func (m *moving) Unwrap(ctx context.Context, wrapped []byte, keyID string) ([]byte, error) {
	if keyID == m.old.KeyID() {
		return m.old.Unwrap(ctx, wrapped, keyID)
	}
	return m.Keeper.Unwrap(ctx, wrapped, keyID)
}

func (m *moving) Rewrap(ctx context.Context, wrapped []byte, keyID string) ([]byte, string, error) {
	if m.left == 0 {
		return nil, "", fmt.Errorf("it is dead: %w", keys.ErrDenied)
	}
	m.left--
	plain, err := m.Unwrap(ctx, wrapped, keyID)
	if err != nil {
		return nil, "", err
	}
	key, err := m.Wrap(ctx, plain)
	return key.Wrapped, key.KeyID, err
}

// rewrap rewraps all of the volume to another keyring.
func (r *rig) rewrap(k keys.Keeper) error {
	r.t.Helper()
	b, err := backend.Open(r.t.Context(), r.c, discard)
	r.must(err)
	o := r.options()
	o.Parallel = 1
	return rewrapAll(r.t.Context(), Rewrapping{Options: o, Config: r.c, Rate: 10_000, Places: func(_ context.Context, do func(string, error) bool) error {
		do(r.c.Store.Path, nil)
		return nil
	}}, backend.Backend{Store: b.Store, Keeper: k})
}

// TestRewrap: in each place where it ends, every file is under one of the keys and decrypts; run again
// it goes on, and in the end all are under the new one, as they were: content, IV, attributes, job.
func TestRewrap(t *testing.T) {
	r := newRig(t, "CTR")
	content := map[string][]byte{"a": noise(10), "d/b": noise(100_000), "d/c": nil}
	for name, text := range content {
		r.source(name, text)
	}
	r.must(r.encrypt("", "", false))
	st, old := r.open()
	link := r.link(st, old, "link", "target")
	put(t, st, "foreign", []byte("x"), nil)
	_, info, err := readWhole(t.Context(), st, sidecar.Name("a"))
	r.must(err)
	text, _, err := readWhole(t.Context(), st, sidecar.Name("a"))
	r.must(err)
	info.Metadata[sidecar.KeyJob] = "1515368087458-qnoxtd"
	put(t, st, sidecar.Name("a"), text, info.Metadata)

	at := filepath.Join(r.dir, "other-keyring")
	next, err := keys.CreateLocal(at)
	r.must(err)
	m := &moving{Keeper: next, old: old}
	under := func(id string) (n int) {
		list, err := listAll(t.Context(), st)
		r.must(err)
		for _, key := range list {
			if info, err := st.Head(t.Context(), key); err == nil && (sidecar.Is(key) || key == "link") && info.Metadata[sidecar.KeyKeyID] == id {
				n++
			}
		}
		return n
	}
	for done := range 5 {
		m.left = 1
		if done == 4 {
			m.left = -1
		}
		err := r.rewrap(m)
		if (err == nil) != (done >= 3) {
			t.Errorf("with %d done before: %v\n%s", done, err, r.out.String())
		}
		if n := under(next.KeyID()); n != min(done+1, 4) || under(old.KeyID()) != 4-n {
			t.Errorf("%d are under the new key", n)
		}
	}
	if s := r.states(); s != `{"skipped":1,"there":4}` {
		t.Errorf("at last: %s", s)
	}
	after, err := st.Head(t.Context(), sidecar.Name("a"))
	r.must(err)
	for _, key := range []string{sidecar.KeyJob, sidecar.KeySize, sidecar.KeyMAC, sidecar.KeyETag, sidecar.KeyMtime, sidecar.KeyFileMode} {
		if after.Metadata[key] != info.Metadata[key] {
			t.Errorf("%s is %q, and was %q", key, after.Metadata[key], info.Metadata[key])
		}
	}
	for name, want := range content {
		text, info, err := readWhole(t.Context(), st, sidecar.Name(name))
		r.must(err)
		doc, err := sidecar.Parse(text)
		r.must(err)
		body, _, err := readWhole(t.Context(), st, name)
		r.must(err)
		plain, err := decipher(t.Context(), next, body, doc.Mode, doc.Key, info.Metadata[sidecar.KeyKeyID], doc.IV)
		if err != nil || !bytes.Equal(plain, want) {
			t.Errorf("%s does not decrypt: %v", name, err)
		}
	}
	r.c.Keys.Path = at
	found, err := r.verify("")
	if e, ok := errors.AsType[verdict.Ended](err); !ok || e.Status != verdict.StatusSome || found["link"] != Sound || found["a"] != Sound {
		t.Errorf("%v, %v", found, err)
	}
	if after, err := st.Head(t.Context(), "link"); err != nil || after.Metadata[sidecar.KeyIV] != link.Object().Encode()[sidecar.KeyIV] {
		t.Errorf("the link: %v", err)
	}
}

// link puts a symlink.
func (r *rig) link(st store.Store, k keys.Keeper, name, to string) *remote.Version {
	r.t.Helper()
	key, err := k.New(r.t.Context(), 256)
	r.must(err)
	x, err := remote.SealSymlink(key, crypt.CTR, 16, name, to, sidecar.Attr{Mode: linkBits | 0o777})
	r.must(err)
	meta, err := sidecar.EncodeAttr(x.Attr())
	r.must(err)
	for k, v := range x.Object().Encode() {
		meta[k] = v
	}
	put(r.t, st, name, x.State().Body, meta)
	return x
}

// TestRewrapByHand: settings that were made by hand stay the ones of their object; where there are
// none it is said.
func TestRewrapByHand(t *testing.T) {
	r := newRig(t, "CTR")
	st, old := r.open()
	key, err := old.New(t.Context(), 256)
	r.must(err)
	iv := noise(16)
	var text bytes.Buffer
	_, _, err = crypt.EncryptStream(&text, strings.NewReader("by hand"), crypt.CTR, key.Plain, iv)
	r.must(err)
	doc, err := sidecar.Settings{Mode: "AES_CTR", Key: key.Wrapped, IV: iv}.Marshal()
	r.must(err)
	put(t, st, "hand", text.Bytes(), nil)
	put(t, st, sidecar.Name("hand"), doc, nil)
	r.source("bare", []byte("bare"))
	r.must(r.encrypt("bare", "bare", false))
	r.must(st.Delete(t.Context(), sidecar.Name("bare"), store.Condition{}))
	next, err := keys.CreateLocal(filepath.Join(r.dir, "other-keyring"))
	r.must(err)
	err = r.rewrap(&moving{Keeper: next, old: handOld{old}, left: -1})
	if err == nil || !strings.Contains(r.out.String(), `"code":"no_settings"`) || !strings.Contains(r.out.String(), `"done":1`) {
		t.Errorf("%v\n%s", err, r.out.String())
	}
	r.c.Keys.Path = filepath.Join(r.dir, "other-keyring")
	r.must(r.decrypt("hand", "out/hand", false))
}

// handOld opens what nobody has said the key of.
type handOld struct{ keys.Keeper }

func (handOld) KeyID() string { return "" }

// TestRate: the keeper is not asked before its time.
func TestRate(t *testing.T) {
	r := newRig(t, "CTR")
	r.source("a", []byte("a"))
	r.source("b", []byte("b"))
	r.must(r.encrypt("", "", false))
	_, old := r.open()
	next, err := keys.CreateLocal(filepath.Join(r.dir, "other-keyring"))
	r.must(err)
	b, err := backend.Open(t.Context(), r.c, discard)
	r.must(err)
	m := &moving{Keeper: next, old: old, left: -1}
	v, err := newVolume(r.c, backend.Backend{Store: b.Store, Keeper: m}, b.Store, false)
	r.must(err)
	defer v.Close()
	pace := make(chan time.Time, 1)
	pace <- time.Now()
	states := make(map[State]int)
	for _, key := range []string{"a", "b"} {
		e, err := v.single(t.Context(), key)
		r.must(err)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // the second waits for its turn, and there is none
		states[v.rewrap(ctx, Rewrapping{}, checked{entry: *e}, pace).State]++
		cancel()
	}
	if states[Done] != 1 || states[Failed] != 1 || m.left != -2 {
		t.Errorf("%v, %d requests", states, -1-m.left)
	}
}
