package upload

import (
	"context"
	"errors"
	"io"
	"testing"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/store"
)

// swallowing takes bodies and fails, as a link that breaks at the last byte.
type swallowing struct {
	store.Store
	calls int
	done  func()
}

func (s *swallowing) Begin(_ context.Context, key string, _ store.Attributes) (store.Upload, error) {
	return store.Upload{Key: key, ID: "1"}, nil
}

func (s *swallowing) Abort(context.Context, store.Upload) error { return nil }

func (s *swallowing) PutPart(_ context.Context, _ store.Upload, _ int, b store.Body) (store.Part, error) {
	if _, err := io.Copy(io.Discard, b); err != nil {
		return store.Part{}, err
	}
	if s.calls++; s.calls == 3 {
		s.done()
	}
	return store.Part{}, store.ErrUnavailable
}

// TestMovedCountsEachByteOnce: what is sent again and again is no progress, and
// what was never acknowledged has moved all the same.
func TestMovedCountsEachByteOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &swallowing{done: cancel}
	e := NewEngine(Config{Store: s, PartSize: 64 << 10, Concurrency: 1})
	defer e.Close()
	iv, err := crypt.NewIV(crypt.CTR, 16)
	if err != nil {
		t.Fatal(err)
	}
	u, err := e.Start(Target{Key: "a"}, keys.DataKey{Plain: make([]byte, 32), Wrapped: []byte("w"), KeyID: "k"}, crypt.CTR, iv, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Abort()
	if _, err := u.Finish(ctx, zeros{}, 128<<10, Last{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Finish: %v", err)
	}
	if moved := u.Moved(); moved != 64<<10 && moved != 128<<10 {
		t.Errorf("%d bytes moved in %d calls", moved, s.calls)
	}
	if u.Progress() != 0 {
		t.Errorf("%d bytes acknowledged", u.Progress())
	}
}

// zeros is a view of nothing but zeros.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }
func (zeros) Release()                              {}
