package keys

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mcfs/keys/kmstest"
)

// rig is one keeper under the conformance suite, and what a test needs around it.
type rig struct {
	keeper Keeper
	// foreign is a keeper of the same kind with another wrapping key.
	foreign Keeper
	// otherContext wraps a key under the keeper's own wrapping key, bound to
	// another encryption context.
	otherContext func(t *testing.T, plain []byte) []byte
}

func rigs() map[string]func(t *testing.T) rig {
	return map[string]func(t *testing.T) rig{
		"local":        localRig,
		"kms generate": func(t *testing.T) rig { return kmsRig(t, DataKeyGenerate) },
		"kms the short way": func(t *testing.T) rig {
			r := kmsRig(t, DataKeyGenerate)
			for _, k := range []Keeper{r.keeper, r.foreign} { // the first call shows it
				fresh(t, k, 256)
			}
			return r
		},
		"kms encrypt": func(t *testing.T) rig { return kmsRig(t, DataKeyEncrypt) },
		"metered": func(t *testing.T) rig {
			r := localRig(t)
			r.keeper = Metered{Keeper: r.keeper, Tell: func(string, time.Duration, error) {}}
			return r
		},
	}
}

func localRig(t *testing.T) rig {
	dir := t.TempDir()
	l, other := createLocal(t, filepath.Join(dir, "a")), createLocal(t, filepath.Join(dir, "b"))
	return rig{keeper: l, foreign: other, otherContext: func(t *testing.T, plain []byte) []byte {
		header := append([]byte{localVersion}, l.fp[:]...)
		aad := appendContext(bytes.Clone(header), map[string]string{"service": "other.example"})
		return l.aead.Seal(header, nil, plain, aad)
	}}
}

func kmsRig(t *testing.T, dataKey string) rig {
	srv := kmstest.Start(t, kmstest.Options{})
	o := kmsOptions(srv)
	o.DataKey = dataKey
	k := newKMS(t, o)
	o.KeyID = srv.ARN(1)
	return rig{keeper: k, foreign: newKMS(t, o), otherContext: func(t *testing.T, plain []byte) []byte {
		return wrapAnyContext(t, srv, plain)
	}}
}

func createLocal(t testing.TB, path string) *Local {
	t.Helper()
	l, err := CreateLocal(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestKeepers holds every keeper to the contract of Keeper.
func TestKeepers(t *testing.T) {
	tests := map[string]func(*testing.T, rig){
		"sizes":           keeperSizes,
		"check resolves":  keeperCheck,
		"unique":          keeperUnique,
		"wrap":            keeperWrap,
		"rewrap":          keeperRewrap,
		"malformed":       keeperMalformed,
		"foreign":         keeperForeign,
		"another context": keeperContext,
		"cancelled":       keeperCancelled,
		"concurrent":      keeperConcurrent,
	}
	for kind, make := range rigs() {
		for name, test := range tests {
			t.Run(kind+"/"+name, func(t *testing.T) { test(t, make(t)) })
		}
	}
}

func fresh(t testing.TB, k Keeper, bits int) DataKey {
	t.Helper()
	key, err := k.New(t.Context(), bits)
	if err != nil {
		t.Fatalf("New(%d): %v", bits, err)
	}
	return key
}

func unwraps(t *testing.T, k Keeper, wrapped []byte, keyID string, want []byte) {
	t.Helper()
	got, err := k.Unwrap(t.Context(), wrapped, keyID)
	if err != nil {
		t.Fatalf("Unwrap: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("Unwrap returned another key")
	}
}

func keeperSizes(t *testing.T, r rig) {
	for _, bits := range []int{128, 192, 256} {
		key := fresh(t, r.keeper, bits)
		if len(key.Plain) != bits/8 {
			t.Errorf("%d bits: %d bytes", bits, len(key.Plain))
		}
		if bytes.Contains(key.Wrapped, key.Plain) {
			t.Errorf("%d bits: the wrapped key contains the plaintext", bits)
		}
		unwraps(t, r.keeper, key.Wrapped, key.KeyID, key.Plain)
		unwraps(t, r.keeper, key.Wrapped, "", key.Plain) // a sidecar made by hand names no key
		key.Wipe()
		if key.Plain != nil {
			t.Error("Wipe left the plaintext")
		}
	}
	for _, bits := range []int{0, -8, 64, 255, 512} {
		if _, err := r.keeper.New(t.Context(), bits); err == nil {
			t.Errorf("New(%d) succeeded", bits)
		}
	}
}

func keeperCheck(t *testing.T, r rig) {
	if err := r.keeper.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	key := fresh(t, r.keeper, 256)
	if key.KeyID != r.keeper.KeyID() {
		t.Errorf("a key of %q from the keeper %q", key.KeyID, r.keeper.KeyID())
	}
	if got, want := r.keeper.Region(), arnRegion(key.KeyID); got != want {
		t.Errorf("Region() = %q, the ARN says %q", got, want)
	}
}

func keeperUnique(t *testing.T, r rig) {
	plain, wrapped := map[string]bool{}, map[string]bool{}
	for range 50 {
		key := fresh(t, r.keeper, 128)
		if plain[string(key.Plain)] || wrapped[string(key.Wrapped)] {
			t.Fatal("a key came twice")
		}
		plain[string(key.Plain)], wrapped[string(key.Wrapped)] = true, true
	}
}

func keeperWrap(t *testing.T, r rig) {
	for _, n := range []int{16, 24, 32} {
		plain := bytes.Repeat([]byte{7}, n)
		key, err := r.keeper.Wrap(t.Context(), plain)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(key.Plain, plain) {
			t.Error("the result holds another key")
		}
		key.Wipe()
		if plain[0] != 7 {
			t.Error("the result shares the caller's buffer")
		}
		unwraps(t, r.keeper, key.Wrapped, key.KeyID, plain)
	}
	for _, n := range []int{0, 15, 33} {
		if _, err := r.keeper.Wrap(t.Context(), make([]byte, n)); err == nil {
			t.Errorf("Wrap of %d bytes succeeded", n)
		}
	}
}

func keeperRewrap(t *testing.T, r rig) {
	key := fresh(t, r.keeper, 192)
	wrapped, id, err := r.keeper.Rewrap(t.Context(), key.Wrapped, key.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(wrapped, key.Wrapped) || id != r.keeper.KeyID() {
		t.Errorf("rewrapped to %s, same bytes: %t", id, bytes.Equal(wrapped, key.Wrapped))
	}
	unwraps(t, r.keeper, wrapped, id, key.Plain)
	if _, _, err := r.keeper.Rewrap(t.Context(), key.Wrapped[:20], key.KeyID); !errors.Is(err, ErrMalformed) {
		t.Errorf("Rewrap of a truncated key: %v", err)
	}
}

func keeperMalformed(t *testing.T, r rig) {
	key := fresh(t, r.keeper, 256)
	n := len(key.Wrapped)
	bad := map[string][]byte{
		"empty":     {},
		"nil":       nil,
		"one byte":  key.Wrapped[:1],
		"half":      key.Wrapped[:n/2],
		"truncated": key.Wrapped[:n-1],
		"longer":    append(bytes.Clone(key.Wrapped), 0),
		"huge":      make([]byte, maxWrapped+1),
		"zeros":     make([]byte, n),
	}
	for _, i := range []int{0, 1, n / 2, n - 1} {
		b := bytes.Clone(key.Wrapped)
		b[i] ^= 1
		bad["flipped at "+string(rune('a'+i%26))] = b
	}
	for name, b := range bad {
		plain, err := r.keeper.Unwrap(t.Context(), b, key.KeyID)
		if !errors.Is(err, ErrMalformed) || plain != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func keeperForeign(t *testing.T, r rig) {
	key := fresh(t, r.keeper, 256)
	if _, err := r.foreign.Unwrap(t.Context(), key.Wrapped, r.foreign.KeyID()); !errors.Is(err, ErrMalformed) {
		t.Errorf("another keeper unwrapped it as its own: %v", err)
	}
}

func keeperContext(t *testing.T, r rig) {
	wrapped := r.otherContext(t, bytes.Repeat([]byte{9}, 32))
	if _, err := r.keeper.Unwrap(t.Context(), wrapped, ""); !errors.Is(err, ErrMalformed) {
		t.Errorf("a key bound to another context: %v", err)
	}
}

func keeperCancelled(t *testing.T, r rig) {
	key := fresh(t, r.keeper, 256)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func() error{
		"New":    func() error { _, err := r.keeper.New(ctx, 256); return err },
		"Wrap":   func() error { _, err := r.keeper.Wrap(ctx, key.Plain); return err },
		"Unwrap": func() error { _, err := r.keeper.Unwrap(ctx, key.Wrapped, key.KeyID); return err },
		"Rewrap": func() error { _, _, err := r.keeper.Rewrap(ctx, key.Wrapped, key.KeyID); return err },
		"Check":  func() error { return r.keeper.Check(ctx) },
	}
	for name, call := range calls {
		err := call()
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func keeperConcurrent(t *testing.T, r rig) {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			key, err := r.keeper.New(t.Context(), 128+64*(i%3))
			if err != nil {
				t.Error(err)
				return
			}
			plain, err := r.keeper.Unwrap(t.Context(), key.Wrapped, key.KeyID)
			if err != nil || !bytes.Equal(plain, key.Plain) {
				t.Errorf("round trip: %v", err)
			}
		})
	}
	wg.Wait()
}
