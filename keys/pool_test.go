package keys

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/keys/kmstest"
)

func take(t *testing.T, p *Pool) DataKey {
	t.Helper()
	key, err := p.Get(t.Context())
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return key
}

func TestPoolFetchesAhead(t *testing.T) {
	inBubble(t, func(t *testing.T, f *faulty) {
		p := NewPool(f, PoolOptions{Bits: 192})
		defer p.Close()
		time.Sleep(time.Hour)
		if n := f.calls.Load(); n != 0 {
			t.Fatalf("%d calls before the first need", n)
		}
		start := time.Now()
		p.Warm()
		if time.Since(start) != 0 {
			t.Error("Warm waited")
		}
		time.Sleep(time.Second)
		if p.Ready() != startSize {
			t.Fatalf("%d ready", p.Ready())
		}
		start = time.Now()
		key := take(t, p)
		if d := time.Since(start); d != 0 {
			t.Errorf("a ready key took %v", d)
		}
		if len(key.Plain) != 24 {
			t.Errorf("%d bytes", len(key.Plain))
		}
		time.Sleep(time.Second)
		if p.Ready() != startSize {
			t.Errorf("not refilled: %d ready", p.Ready())
		}
	})
}

func TestPoolFirstGetWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, f *faulty) {
		p := NewPool(f, PoolOptions{})
		defer p.Close()
		start := time.Now()
		if key := take(t, p); len(key.Plain) != 32 {
			t.Errorf("%d bytes", len(key.Plain))
		}
		if d := time.Since(start); d != f.latency {
			t.Errorf("the first key took %v", d)
		}
	})
}

func TestPoolGrowsAndShrinks(t *testing.T) {
	inBubble(t, func(t *testing.T, f *faulty) {
		p := NewPool(f, PoolOptions{Size: 20, MaxAge: time.Minute})
		defer p.Close()
		for range 200 {
			take(t, p)
		}
		time.Sleep(time.Second)
		if p.Ready() != 20 {
			t.Errorf("%d ready after a burst", p.Ready())
		}
		if m := f.most.Load(); m < 4 || m > maxFetches {
			t.Errorf("%d calls at once", m)
		}
		time.Sleep(time.Hour)
		if p.Ready() != startSize {
			t.Errorf("%d ready after an idle hour", p.Ready())
		}
	})
}

func TestPoolEachKeyOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *faulty) {
		p := NewPool(f, PoolOptions{Size: 8})
		defer p.Close()
		var mu sync.Mutex
		seen := map[string]bool{}
		var wg sync.WaitGroup
		for range 300 {
			wg.Go(func() {
				key, err := p.Get(t.Context())
				mu.Lock()
				defer mu.Unlock()
				if err != nil || seen[string(key.Plain)] {
					t.Errorf("repeated or failed: %v", err)
				}
				seen[string(key.Plain)] = true
			})
		}
		wg.Wait()
		if m := f.most.Load(); m > maxFetches {
			t.Errorf("%d calls at once", m)
		}
	})
}

func TestPoolWipesOldKeys(t *testing.T) {
	inBubble(t, func(t *testing.T, f *faulty) {
		p := NewPool(f, PoolOptions{MaxAge: 10 * time.Minute})
		p.Warm()
		time.Sleep(9 * time.Minute)
		if n := f.wiped(); n != 0 {
			t.Fatalf("%d wiped early", n)
		}
		time.Sleep(2 * time.Minute)
		if n := f.wiped(); n != startSize {
			t.Errorf("%d wiped, not %d", n, startSize)
		}
		if p.Ready() != startSize {
			t.Errorf("%d ready", p.Ready())
		}
		kept := take(t, p)
		time.Sleep(time.Second)
		p.Close()
		if kept.Plain == nil || bytes.Equal(kept.Plain, make([]byte, 32)) {
			t.Error("a key in use was wiped")
		}
		if n, want := f.wiped(), len(f.made)-1; n != want {
			t.Errorf("%d wiped after Close, not %d", n, want)
		}
	})
}

func TestPoolBacksOff(t *testing.T) {
	inBubble(t, func(t *testing.T, f *faulty) {
		var log bytes.Buffer
		p := NewPool(f, PoolOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
		defer p.Close()
		f.fail(ErrUnavailable)
		p.Warm()
		time.Sleep(time.Hour)
		if n := f.calls.Load(); n < 50 || n > 80 {
			t.Errorf("%d calls in an hour without a keeper", n)
		}
		if n := strings.Count(log.String(), "no data keys"); n != 1 {
			t.Errorf("%d log lines:\n%s", n, &log)
		}
		// Whoever needs a key now does not wait for the backoff.
		start := time.Now()
		if _, err := p.Get(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Get: %v", err)
		}
		if d := time.Since(start); d > 2*f.latency {
			t.Errorf("Get failed after %v", d)
		}
		f.fail(nil)
		take(t, p)
		time.Sleep(time.Second)
		if p.Ready() < startSize {
			t.Errorf("%d ready after the keeper came back", p.Ready())
		}
		if !strings.Contains(log.String(), "can be had again") {
			t.Errorf("log:\n%s", &log)
		}
	})
}

func TestPoolPermanentFailure(t *testing.T) {
	inBubble(t, func(t *testing.T, f *faulty) {
		p := NewPool(f, PoolOptions{})
		defer p.Close()
		f.fail(ErrKeyState)
		var wg sync.WaitGroup
		start := time.Now()
		for range 500 {
			wg.Go(func() {
				if _, err := p.Get(t.Context()); !errors.Is(err, ErrKeyState) {
					t.Errorf("Get: %v", err)
				}
			})
		}
		wg.Wait()
		if d := time.Since(start); d > 4*f.latency {
			t.Errorf("everybody knew after %v only", d)
		}
	})
}

// A fetch that began before somebody came fails without them: what held it up may
// be over by then.
func TestPoolOldFailure(t *testing.T) {
	for _, kind := range []error{ErrUnavailable, ErrKeyState} {
		inBubble(t, func(t *testing.T, f *faulty) {
			p := NewPool(f, PoolOptions{Size: 1})
			defer p.Close()
			f.fail(kind)
			p.Warm()
			time.Sleep(f.latency / 2)
			time.AfterFunc(f.latency*3/4, func() { f.fail(nil) })
			if _, err := p.Get(t.Context()); err != nil {
				t.Errorf("%v is over, yet: %v", kind, err)
			}
		})
	}
}

func TestPoolHonoursContext(t *testing.T) {
	inBubble(t, func(t *testing.T, f *faulty) {
		f.latency = 10 * time.Second
		p := NewPool(f, PoolOptions{})
		defer p.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := p.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get: %v", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("gave up after %v", d)
		}
		time.Sleep(10 * time.Second)
		if p.Ready() == 0 || f.wiped() != 0 {
			t.Error("the key that nobody waited for was lost")
		}
		start = time.Now()
		take(t, p)
		if d := time.Since(start); d != 0 {
			t.Errorf("it took %v", d)
		}
	})
}

func TestPoolClose(t *testing.T) {
	inBubble(t, func(t *testing.T, f *faulty) {
		p := NewPool(f, PoolOptions{})
		f.latency = time.Hour
		failed := make(chan error)
		go func() {
			_, err := p.Get(t.Context())
			failed <- err
		}()
		synctest.Wait()
		start := time.Now()
		go p.Close()
		if err := <-failed; !errors.Is(err, ErrPoolClosed) {
			t.Errorf("Get: %v", err)
		}
		p.Close()
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v", d)
		}
		if f.running.Load() != 0 {
			t.Error("a fetch outlived Close")
		}
		p.Warm()
		if _, err := p.Get(t.Context()); !errors.Is(err, ErrPoolClosed) {
			t.Errorf("Get after Close: %v", err)
		}
		NewPool(f, PoolOptions{}).Close() // never used
	})
}

// An answer that comes after Close leaves no key in memory.
func TestPoolWipesLateKeys(t *testing.T) {
	inBubble(t, func(t *testing.T, f *faulty) {
		f.deaf = true
		p := NewPool(f, PoolOptions{})
		p.Warm()
		synctest.Wait()
		p.Close()
		if n := f.wiped(); n != startSize {
			t.Errorf("%d of %d late keys wiped", n, startSize)
		}
	})
}

// TestPoolOverKMS is the whole chain: service, SDK, keeper, pool.
func TestPoolOverKMS(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{})
	srv.SetLatency(5 * time.Millisecond)
	k := newKMS(t, kmsOptions(srv))
	p := NewPool(k, PoolOptions{Size: 16})
	srv.FailNext(3, kmstest.DropConnection)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				key, err := p.Get(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				plain, err := srv.Decrypt(key.Wrapped, kmstest.Context())
				if err != nil || !bytes.Equal(plain, key.Plain) {
					t.Errorf("the wrapped key does not match: %v", err)
				}
				key.Wipe()
			}
		})
	}
	wg.Wait()
	p.Close()
	if err := srv.Repeated(); err != nil {
		t.Error(err)
	}
	if n := srv.Count("Decrypt"); n != 0 {
		t.Errorf("%d needless calls", n)
	}
}
