package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

func TestTransientFailuresAreRetried(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			o := newObject(t, k, 3<<20+17)
			synctest.Test(t, func(t *testing.T) {
				r := o.reader(t, Config{}, nil)
				defer r.e.Close()
				o.st.before = func(_ context.Context, n int, _ store.Range) error {
					if n%2 == 1 {
						return fmt.Errorf("503: %w", store.ErrUnavailable)
					}
					return nil
				}
				got, err := readAll(t.Context(), r.NewStream(), 99_991)
				if err != nil || !bytes.Equal(got, o.plain) {
					t.Fatalf("%d of %d bytes, error %v", len(got), len(o.plain), err)
				}
			})
		})
	}
}

func TestBrokenBodiesAreResumed(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			o := newObject(t, k, 3<<20+17)
			synctest.Test(t, func(t *testing.T) {
				r := o.reader(t, Config{Concurrency: 1}, nil)
				defer r.e.Close()
				o.st.body = func(n int, _ store.Range, b io.ReadCloser) io.ReadCloser {
					return &broken{b, 100_003 + n} // at no boundary
				}
				got, err := readAll(t.Context(), r.NewStream(), 128<<10)
				if err != nil || !bytes.Equal(got, o.plain) {
					t.Fatalf("%d of %d bytes, error %v", len(got), len(o.plain), err)
				}
			})
			if gets, n := o.st.seen(); n > int64(len(o.cipher))+int64(gets)*aesBlock {
				t.Errorf("%d bytes fetched of %d: bytes were fetched twice", n, len(o.cipher))
			}
		})
	}
}

func TestLastingFailures(t *testing.T) {
	for name, cause := range map[string]error{
		"unavailable": store.ErrUnavailable,
		"denied":      store.ErrDenied,
		"unknown":     errors.New("something else"),
	} {
		for _, k := range []string{"CTR", "GCM"} {
			t.Run(name+"/"+k, func(t *testing.T) {
				o := newObject(t, kindNamed(t, k), 300_000)
				synctest.Test(t, func(t *testing.T) {
					s := o.reader(t, Config{}, nil).NewStream()
					defer s.r.e.Close()
					down := true
					o.st.before = func(context.Context, int, store.Range) error {
						if down {
							return cause
						}
						return nil
					}
					begun := time.Now()
					_, err := s.ReadAt(t.Context(), make([]byte, 10), 5)
					if !errors.Is(err, cause) {
						t.Fatalf("error %v", err)
					}
					if took := time.Since(begun); took > 10*time.Second {
						t.Errorf("it took %v", took)
					}
					if gets, _ := o.st.seen(); name != "unavailable" && gets > 2 {
						t.Errorf("%d GETs against an error that lasts", gets)
					}
					down = false
					o.check(t, s, 5, 10) // it does not stick
				})
			})
		}
	}
}

// TestAHungStoreIsNotAskedAgain has a GET take a store's whole deadline.
func TestAHungStoreIsNotAskedAgain(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 1000)
	synctest.Test(t, func(t *testing.T) {
		s := o.reader(t, Config{}, nil).NewStream()
		defer s.r.e.Close()
		o.st.before = func(context.Context, int, store.Range) error {
			time.Sleep(time.Minute)
			return fmt.Errorf("no progress: %w", store.ErrUnavailable)
		}
		begun := time.Now()
		if _, err := s.ReadAt(t.Context(), make([]byte, 10), 0); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// TestAFrozenStoreCostsOneTimeout freezes the store in every way: before the answer, in
// the body, and with all connections taken. Whatever a kernel asks for then, in all it
// waits once.
func TestAFrozenStoreCostsOneTimeout(t *testing.T) {
	const timeout = 10 * time.Second
	frozen := func(ctx context.Context) error { // as package s3 ends a request without progress
		select {
		case <-time.After(timeout):
		case <-ctx.Done():
		}
		return fmt.Errorf("no progress: %w", store.ErrUnavailable)
	}
	for _, k := range kinds {
		for _, after := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s/%d", k.name, after), func(t *testing.T) {
				o := newObject(t, k, 20<<20)
				synctest.Test(t, func(t *testing.T) {
					r := o.reader(t, Config{Timeout: timeout, Concurrency: 2}, nil)
					defer r.e.Close()
					o.st.before = func(ctx context.Context, n int, _ store.Range) error {
						if n > after {
							return frozen(ctx)
						}
						return nil
					}
					o.st.body = func(_ int, _ store.Range, b io.ReadCloser) io.ReadCloser {
						return &freezing{b, 1000, frozen}
					}
					begun := time.Now()
					var all sync.WaitGroup
					for i := range 6 {
						all.Go(func() { // read-ahead, then page by page
							for _, size := range []int{128 << 10, 4096, 4096, 4096} {
								if _, err := r.NewStream().ReadAt(t.Context(), make([]byte, size), int64(i)*3<<20); !errors.Is(err, store.ErrUnavailable) {
									t.Errorf("error %v", err)
								}
							}
						})
					}
					all.Wait()
					if took := time.Since(begun); took < timeout || took > timeout+time.Second {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	}
}

// freezing gives n bytes, and then none.
type freezing struct {
	io.ReadCloser
	n      int
	frozen func(context.Context) error
}

func (f *freezing) Read(p []byte) (int, error) {
	if f.n == 0 {
		return 0, f.frozen(context.Background())
	}
	n, err := f.ReadCloser.Read(p[:min(len(p), f.n)])
	f.n -= n
	return n, err
}

func TestReplacedVersionIsStale(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			o := newObject(t, k, 20*blockSize)
			s := o.reader(t, Config{}, nil).NewStream()
			if o.kind.mode != crypt.GCM || o.kind.streaming {
				o.check(t, s, 0, 100)
			}
			at, tag := o.locate()
			o.put(t, at, bytes.Repeat([]byte("new"), 1000))
			o.move(at, tag) // nobody told us
			for range 2 {
				if _, err := s.ReadAt(t.Context(), make([]byte, 10), 9*blockSize); !errors.Is(err, ErrStale) {
					t.Fatalf("error %v", err)
				}
			}
			o.put(t, at, o.cipher) // back again, under an ETag that is found out
			o.check(t, s, 9*blockSize, 10)
			if err := o.st.Delete(t.Context(), at, store.Condition{}); err != nil {
				t.Fatal(err)
			}
			if o.kind.mode == crypt.GCM && !o.kind.streaming {
				return
			}
			if _, err := s.ReadAt(t.Context(), make([]byte, 10), 15*blockSize); !errors.Is(err, ErrStale) {
				t.Fatalf("error %v", err)
			}
		})
	}
}

// TestRenameIsFollowed moves the object while it is read, between two GETs
// and in the middle of one.
func TestRenameIsFollowed(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			o := newObject(t, k, 5<<20+1)
			s := o.reader(t, Config{}, nil).NewStream()
			var moves atomic.Int32
			o.st.before = func(_ context.Context, n int, _ store.Range) error {
				if n%3 != 0 {
					return nil
				}
				// The rename becomes true after this request has asked where to go.
				at, _ := o.locate()
				o.put(t, fmt.Sprintf("moved-%d.mp4", moves.Add(1)), o.cipher)
				return o.st.Delete(context.Background(), at, store.Condition{})
			}
			o.st.body = func(n int, _ store.Range, b io.ReadCloser) io.ReadCloser {
				return &broken{b, 700_001}
			}
			got, err := readAll(t.Context(), s, 128<<10)
			if err != nil || !bytes.Equal(got, o.plain) {
				t.Fatalf("%d of %d bytes after %d moves, error %v", len(got), len(o.plain), moves.Load(), err)
			}
			if moves.Load() == 0 {
				t.Error("nothing was moved")
			}
		})
	}
}

// hold makes GETs wait until release is called, and tells when their context ends.
func hold(st *troubled) (release func(), ended *atomic.Int32) {
	gate := make(chan struct{})
	ended = new(atomic.Int32)
	before := func(ctx context.Context, _ int, _ store.Range) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			ended.Add(1)
			return ctx.Err()
		}
	}
	st.set(func() { st.before = before })
	return func() { close(gate) }, ended
}

func TestCancellation(t *testing.T) {
	for _, k := range []string{"CTR", "GCM"} {
		o := newObject(t, kindNamed(t, k), 300_000)
		t.Run(k+"/one of two", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := o.reader(t, Config{}, nil)
				defer r.e.Close()
				release, ended := hold(o.st)
				ctx, cancel := context.WithCancel(t.Context())
				errs := make(chan error, 2)
				for _, c := range []context.Context{ctx, t.Context()} {
					go func() {
						_, err := r.NewStream().ReadAt(c, make([]byte, 10), 7)
						errs <- err
					}()
					synctest.Wait()
				}
				cancel()
				if err := <-errs; !errors.Is(err, context.Canceled) {
					t.Errorf("the cancelled read: %v", err)
				}
				synctest.Wait()
				if ended.Load() != 0 {
					t.Error("the GET that another waits for was cancelled")
				}
				release()
				if err := <-errs; err != nil {
					t.Errorf("the other read: %v", err)
				}
			})
		})
		t.Run(k+"/the only one", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := o.reader(t, Config{}, nil)
				defer r.e.Close()
				_, ended := hold(o.st)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := r.NewStream().ReadAt(ctx, make([]byte, 10), 7)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
				synctest.Wait()
				if ended.Load() == 0 {
					t.Error("the GET goes on though nobody waits")
				}
				if left := leftOf(r); left != (leftovers{}) {
					t.Errorf("left: %+v", left)
				}
			})
		})
	}
}

func TestCloseEndsReads(t *testing.T) {
	for _, k := range []string{"CTR", "GCM"} {
		for name, end := range map[string]func(*Reader){
			"reader": (*Reader).Close,
			"engine": func(r *Reader) { r.e.Close() },
		} {
			t.Run(k+"/"+name, func(t *testing.T) {
				o := newObject(t, kindNamed(t, k), 300_000)
				synctest.Test(t, func(t *testing.T) {
					r := o.reader(t, Config{}, nil)
					hold(o.st)
					errs := make(chan error)
					s := r.NewStream()
					go func() {
						_, err := s.ReadAt(t.Context(), make([]byte, 10), 7)
						errs <- err
					}()
					synctest.Wait()
					end(r)
					if err := <-errs; !errors.Is(err, ErrClosed) {
						t.Errorf("error %v", err)
					}
					if _, err := s.ReadAt(t.Context(), make([]byte, 10), 7); !errors.Is(err, ErrClosed) {
						t.Errorf("a read after Close: %v", err)
					}
					r.Close()
					r.Close()
					s.Close()
				})
			})
		}
	}
}

func TestEngineCloseRefusesMore(t *testing.T) {
	o := newObject(t, kindNamed(t, "CBC"), 100)
	e := o.engine(t, Config{})
	e.Close()
	if _, err := e.Open(o.version, o.key, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Open: %v", err)
	}
	if _, err := e.PlainSize(t.Context(), o.version, o.key); !errors.Is(err, ErrClosed) {
		t.Errorf("PlainSize: %v", err)
	}
}

func TestNoGoroutineStays(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, k := range kinds {
		o := newObject(t, k, 4<<20)
		e := NewEngine(Config{Store: o.st, Streaming: k.streaming})
		r, err := e.Open(o.version, o.key, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := r.NewStream()
		for off := range 10 {
			o.check(t, s, off<<16, 1<<16) // and leave its read-ahead under way
		}
		r.Close()
		e.Close()
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestPlainSize(t *testing.T) {
	for _, k := range kinds {
		for _, size := range sizes {
			o := newObject(t, k, size)
			e := o.engine(t, Config{})
			got, err := e.PlainSize(t.Context(), o.version, o.key)
			if err != nil || got != int64(size) {
				t.Errorf("%s of %d: %d, %v", k.name, size, got, err)
			}
			if gets, n := o.st.seen(); k.mode != crypt.CBC && gets != 0 || n > 32 {
				t.Errorf("%s: %d GETs, %d bytes", k.name, gets, n)
			}
		}
	}
	o := newObject(t, kindNamed(t, "CBC"), 100)
	o.version.Cipher++
	if _, err := o.engine(t, Config{}).PlainSize(t.Context(), o.version, o.key); !errors.Is(err, ErrTampered) {
		t.Errorf("a length that is no CBC: %v", err)
	}
	o.version.Cipher--
	o.put(t, o.at, flip("", func(n int) int { return n - 17 }).do(o.cipher))
	if _, err := o.engine(t, Config{}).PlainSize(t.Context(), o.version, o.key); !errors.Is(err, ErrTampered) {
		t.Errorf("a wrong padding: %v", err)
	}
}
