package keys

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// faulty is a real keeper that answers late, or not at all, as the test wants.
type faulty struct {
	Keeper
	latency time.Duration
	deaf    bool // to the end of its context
	err     atomic.Pointer[error]
	calls   atomic.Int64
	running atomic.Int64
	most    atomic.Int64
	mu      sync.Mutex
	made    [][]byte // the very buffers that were handed over
}

func (f *faulty) New(ctx context.Context, bits int) (DataKey, error) {
	f.calls.Add(1)
	n := f.running.Add(1)
	defer f.running.Add(-1)
	for m := f.most.Load(); n > m && !f.most.CompareAndSwap(m, n); m = f.most.Load() {
	}
	if f.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case <-time.After(f.latency):
	case <-ctx.Done():
		return DataKey{}, ctx.Err()
	}
	if err := f.err.Load(); err != nil {
		return DataKey{}, *err
	}
	key, err := f.Keeper.New(ctx, bits)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made = append(f.made, key.Plain)
	return key, err
}

func (f *faulty) fail(err error) {
	if err == nil {
		f.err.Store(nil)
		return
	}
	f.err.Store(&err)
}

// wiped is how many of the keys made hold nothing but zeros.
func (f *faulty) wiped() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, b := range f.made {
		if bytes.Equal(b, make([]byte, len(b))) {
			n++
		}
	}
	return n
}

// inBubble runs a test in fake time, over the local keyring.
func inBubble(t *testing.T, test func(t *testing.T, f *faulty)) {
	l := createLocal(t, t.TempDir()+"/keyring")
	synctest.Test(t, func(t *testing.T) { test(t, &faulty{Keeper: l, latency: 50 * time.Millisecond}) })
}

// poolStep is one step of a random history of a pool.
type poolStep struct {
	gets    int           // callers that come at once
	timeout time.Duration // theirs; 0 is patience without end
	fail    bool          // the keeper's state from now on
	pass    time.Duration // time that goes by afterwards
}

// TestPoolHistories: whatever happens, a key is handed out once, few enough
// are held, few enough calls run, and none is left behind by Close.
func TestPoolHistories(t *testing.T) {
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) poolStep {
		ms := func(name string, most int) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Millisecond
		}
		return poolStep{
			gets:    rapid.IntRange(0, 60).Draw(t, "gets"),
			timeout: ms("timeout", 120),
			fail:    rapid.Bool().Draw(t, "fail"),
			pass:    ms("pass", 3000),
		}
	}), 1, 12)
	l := createLocal(t, t.TempDir()+"/keyring")
	rapid.Check(t, func(rt *rapid.T) {
		history, size := steps.Draw(rt, "steps"), rapid.IntRange(1, 40).Draw(rt, "size")
		var err error
		synctest.Test(t, func(t *testing.T) {
			err = poolHistory(t.Context(), &faulty{Keeper: l, latency: 50 * time.Millisecond}, history, size)
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func poolHistory(ctx context.Context, f *faulty, history []poolStep, size int) error {
	p := NewPool(f, PoolOptions{Size: size, MaxAge: 2 * time.Second})
	defer p.Close()
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen, repeated := map[string]bool{}, 0
	for _, s := range history {
		f.fail(nil)
		if s.fail {
			f.fail(ErrUnavailable)
		}
		for range s.gets {
			wg.Go(func() {
				c := ctx
				if s.timeout > 0 {
					limited, cancel := context.WithTimeout(ctx, s.timeout)
					defer cancel()
					c = limited
				}
				key, err := p.Get(c)
				mu.Lock()
				defer mu.Unlock()
				if err == nil && (seen[string(key.Plain)] || bytes.Equal(key.Plain, make([]byte, 32))) {
					repeated++
				}
				if err == nil {
					seen[string(key.Plain)] = true
				}
			})
		}
		time.Sleep(s.pass)
		if n := p.Ready(); n > size {
			return fmt.Errorf("%d keys ready, above %d", n, size)
		}
	}
	wg.Wait()
	p.Close()
	switch {
	case repeated > 0:
		return fmt.Errorf("%d keys handed out twice, or wiped", repeated)
	case f.most.Load() > maxFetches:
		return fmt.Errorf("%d calls at once", f.most.Load())
	case f.wiped() != len(f.made)-len(seen):
		return fmt.Errorf("%d keys made, %d handed out, %d wiped", len(f.made), len(seen), f.wiped())
	}
	return nil
}
