package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mcfs/config"
	"mcfs/internal/backend"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/store"
)

// home is the volume to which the files of a rig go, with a keyring of its own.
func (r *rig) home() *rig {
	r.t.Helper()
	h := newRig(r.t, "CTR")
	h.c.Crypt = r.c.Crypt
	h.c.Crypt.Mode = config.CTR // which is that of what is made there, and not of what comes
	return h
}

// promote takes all of a rig's volume home.
func (r *rig) promote(h *rig, force bool) error {
	r.t.Helper()
	return r.promoteThrough(r.t.Context(), r.promotion(h, force), func(s store.Store) store.Store { return s })
}

// promoteThrough is Promote with another store, and little remains.
func (r *rig) promoteThrough(ctx context.Context, p Promotion, through func(store.Store) store.Store) error {
	r.t.Helper()
	from, err := OpenVolume(r.t.Context(), p.From, false)
	r.must(err)
	defer from.Close()
	b, err := backend.Open(r.t.Context(), p.Config, discard)
	r.must(err)
	w, err := newWriter(r.t.Context(), p.Config, backend.Backend{Store: through(b.Store), Keeper: b.Keeper}, remains{p.Config.Spool.Dir + notesSuffix, []time.Duration{time.Millisecond}, 20 * time.Millisecond})
	r.must(err)
	p.What = "promoted"
	err = w.promoteAll(ctx, p, from)
	return errors.Join(err, w.Close(ctx))
}

func (r *rig) promotion(h *rig, force bool) Promotion {
	return Promotion{Options: r.options(), From: r.c, Config: h.c, Force: force, Places: func(_ context.Context, do func(string, error) bool) error {
		do(r.c.Store.Path, nil)
		return nil
	}}
}

// TestPromote: what was encrypted arrives byte for byte, with IV and attributes, under the other
// keyring; again it is left alone.
func TestPromote(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			r := newRig(t, mode)
			names := []string{"a", "d/b", "empty"}
			for _, name := range names {
				r.source(name, noise(len(name)*50_000))
			}
			r.source("empty", nil)
			r.must(r.encrypt("", "", false))
			st, k := r.open()
			r.link(st, k, "link", "target")
			put(t, st, "foreign", []byte("x"), nil)
			h := r.home()
			r.must(r.promote(h, false))
			if s := r.states(); s != `{"done":4,"skipped":1}` {
				t.Errorf("%s\n%s", s, r.out.String())
			}
			hs, hk := h.open()
			h.must(truthful(t.Context(), hs, hk, func(key string, plain []byte) bool {
				return key == "link" || key == "empty" && len(plain) == 0 || bytes.Equal(plain, noise(len(key)*50_000))
			}))
			for _, name := range append(names, "link") {
				before, info, err := readWhole(t.Context(), st, name)
				r.must(err)
				after, there, err := readWhole(t.Context(), hs, name)
				if err != nil || !bytes.Equal(before, after) || info.Metadata[sidecar.KeyIV] != there.Metadata[sidecar.KeyIV] || info.Metadata[sidecar.KeyCheck] != there.Metadata[sidecar.KeyCheck] {
					t.Errorf("%s is not as it was: %v", name, err)
				}
				if id := there.Metadata[sidecar.KeyKeyID]; id != hk.KeyID() {
					t.Errorf("%s is under %s", name, id)
				}
			}
			for _, key := range []string{sidecar.KeySize, sidecar.KeyMAC, sidecar.KeyMtime, sidecar.KeyFileMode} {
				info, err := st.Head(t.Context(), sidecar.Name("a"))
				r.must(err)
				there, err := hs.Head(t.Context(), sidecar.Name("a"))
				r.must(err)
				if info.Metadata[key] != there.Metadata[key] {
					t.Errorf("%s is %q, and was %q", key, there.Metadata[key], info.Metadata[key])
				}
			}
			h.must(hs.Delete(t.Context(), sidecar.Name("a"), store.Condition{})) // as a kill between the two steps leaves it
			r.must(r.promote(h, false))
			if s := r.states(); s != `{"skipped":1,"there":4}` {
				t.Errorf("again: %s", s)
			}
			found, err := h.verify("")
			if err != nil || len(found) != 4 {
				t.Errorf("%v, %v", found, err)
			}
		})
	}
}

// TestPromoteRefuses: what is damaged, what nothing vouches for, and what would replace another file
// is not promoted, and named.
func TestPromoteRefuses(t *testing.T) {
	for _, mode := range modes {
		r := newRig(t, mode)
		for _, name := range []string{"long", "short", "other"} {
			r.source(name, noise(map[string]int{"long": 100_000, "short": 100, "other": 5}[name]))
		}
		r.must(r.encrypt("", "", false))
		h := r.home()
		h.source("other", []byte("another"))
		h.must(h.encrypt("other", "other", false))
		for _, name := range []string{"long", "short"} {
			at := filepath.Join(r.c.Store.Path, name)
			text, err := os.ReadFile(at)
			r.must(err)
			text[50] ^= 1
			r.must(os.WriteFile(at, text, 0o600))
		}
		err := r.promote(h, false)
		if e, ok := errors.AsType[verdict.Ended](err); !ok || e.Status != verdict.StatusDamage || r.states() != `{"damaged":2,"failed":1}` {
			t.Errorf("%s: %v\n%s", mode, err, r.out.String())
		}
		hs, hk := h.open()
		list, err := listAll(t.Context(), hs)
		if err != nil || fmt.Sprint(list) != "[other other.settings.json]" {
			t.Errorf("%s: there are %v, %v", mode, list, err)
		}
		if ups, err := hs.Uploads(t.Context(), ""); err != nil || len(ups) > 0 {
			t.Errorf("%s: unfinished uploads are left: %v, %v", mode, ups, err)
		}
		_ = r.promote(h, true)
		if plain, _, err := byOwnWord(t.Context(), hs, hk, "other"); err != nil || !bytes.Equal(plain, noise(5)) {
			t.Errorf("%s: force has not replaced it: %v", mode, err)
		}
	}
	r := newRig(t, "CTR")
	if err := Promote(t.Context(), r.promotion(r, false)); verdict.CodeOf(err) != verdict.Usage {
		t.Errorf("into itself: %v", err)
	}
}

// TestPromoteAfterAnyChange: the machine dies at each change of the store to which files go, before it
// has an effect and after: what is there is true at every moment, and the next run completes it.
func TestPromoteAfterAnyChange(t *testing.T) {
	for _, after := range []bool{false, true} {
		for at := 1; promoteDying(t, at, after); at++ {
		}
	}
}

// promoteDying dies at a change, and runs again. It reports whether there was such a change.
func promoteDying(t *testing.T, at int, after bool) bool {
	t.Helper()
	r := newRig(t, "CTR")
	content := map[string][]byte{"a": []byte("small"), "b": noise(70_000)}
	for name, text := range content {
		r.source(name, text)
	}
	r.must(r.encrypt("", "", false))
	h := r.home()
	hs, hk := h.open()
	meant := func(key string, plain []byte) bool { return bytes.Equal(plain, content[key]) }
	d := &dying{at: at, after: after, look: func() error { return truthful(t.Context(), hs, hk, meant) }}
	p := r.promotion(h, false)
	p.Parallel = 1
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { // the death of a machine ends what waits, too
		for !d.isDead() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel(errDead)
	}()
	_ = r.promoteThrough(ctx, p, func(s store.Store) store.Store { d.Store = s; return d })
	cancel(errDead)
	if d.wrong != nil {
		t.Fatalf("change %d: %v", at, d.wrong)
	}
	if !d.isDead() {
		return false
	}
	r.must(r.promoteThrough(t.Context(), p, func(s store.Store) store.Store { return s }))
	list, err := listAll(t.Context(), hs)
	if err != nil || len(list) != 4 {
		t.Fatalf("change %d: there are %v, %v", at, list, err)
	}
	h.must(truthful(t.Context(), hs, hk, meant))
	if ups, err := hs.Uploads(t.Context(), ""); err != nil || len(ups) > 0 {
		t.Fatalf("change %d: unfinished uploads are left: %v, %v", at, ups, err)
	}
	return true
}
