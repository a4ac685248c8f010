package orphans

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/store"
)

// haunted is a store in which parts of aborted uploads arrive late.
type haunted struct {
	store.Store
	mu       sync.Mutex
	late     map[string][]time.Duration // by upload: how long after its aborts a part arrives
	arrived  map[string]time.Time       // when what is there of an upload came, or will
	listed   bool                       // what has arrived is listed, too
	deny     bool                       // parts must not be listed
	blind    bool                       // nor uploads
	down     error
	requests int
	running  int
	most     int
	aborts   map[string]int
}

func newHaunted(late map[string][]time.Duration) *haunted {
	return &haunted{late: late, arrived: map[string]time.Time{}, aborts: map[string]int{}}
}

// enter counts a request, which takes a while.
func (h *haunted) enter(ctx context.Context) error {
	h.mu.Lock()
	h.requests++
	h.running++
	h.most = max(h.most, h.running)
	err := h.down
	h.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	h.mu.Lock()
	h.running--
	h.mu.Unlock()
	return errors.Join(err, ctx.Err())
}

func (h *haunted) Abort(ctx context.Context, up store.Upload) error {
	if err := h.enter(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.aborts[up.ID]++
	delete(h.arrived, up.ID)
	if late := h.late[up.ID]; len(late) > 0 {
		h.arrived[up.ID], h.late[up.ID] = time.Now().Add(late[0]), late[1:]
	}
	return nil
}

func (h *haunted) has(id string) bool {
	at, ok := h.arrived[id]
	return ok && !at.After(time.Now())
}

func (h *haunted) Parts(ctx context.Context, up store.Upload) ([]store.Part, error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.deny:
		return nil, store.ErrDenied
	case h.has(up.ID):
		return []store.Part{{Number: 1}}, nil
	}
	return nil, store.ErrNoUpload
}

func (h *haunted) Uploads(ctx context.Context, prefix string) (list []store.Upload, err error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.blind {
		return nil, store.ErrDenied
	}
	for id := range h.arrived {
		if h.listed && h.has(id) {
			list = append(list, store.Upload{Key: "k", ID: id})
		}
	}
	return list, nil
}

// book is a journal.
type book struct {
	mu  sync.Mutex
	has map[string]bool
}

func (b *book) note(up store.Upload) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.has[up.ID] = true
}

func (b *book) forget(up store.Upload) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.has, up.ID)
}

func (b *book) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.has)
}

func start(s store.Store) (*Aborter, *book) {
	b := &book{has: map[string]bool{}}
	return New(Config{Store: s, Note: b.note, Forget: b.forget}), b
}

// TestPartsThatArriveAfterTheAbort: an upload is aborted again as often as a part of it
// arrives, and the journal has it until none can.
func TestPartsThatArriveAfterTheAbort(t *testing.T) {
	for name, how := range map[string]func(*haunted){
		"unlisted": func(*haunted) {}, "parts denied": func(h *haunted) { h.deny, h.listed = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHaunted(map[string][]time.Duration{"soon": {time.Millisecond}, "late": {Straggle - time.Second}, "often": {0, 5 * time.Second, 0}})
				how(h)
				a, b := start(h)
				defer a.Close()
				for _, id := range []string{"soon", "late", "often", "never"} {
					a.Note(store.Upload{Key: "k", ID: id})
				}
				if b.len() != 4 {
					t.Error("the journal does not have them all before they are aborted")
				}
				for _, id := range []string{"soon", "late", "often", "never", "never"} {
					a.Abort(store.Upload{Key: "k", ID: id})
				}
				a.Settle(t.Context())
				if b.len() != 4 {
					t.Errorf("the journal has %d of 4, while parts may still arrive", b.len())
				}
				time.Sleep(4 * Straggle)
				h.mu.Lock()
				defer h.mu.Unlock()
				if len(h.arrived) > 0 || b.len() > 0 {
					t.Errorf("left in the store: %v; in the journal: %v", h.arrived, b.has)
				}
				for id, want := range map[string]int{"soon": 2, "late": 2, "often": 4, "never": 1} {
					if h.aborts[id] != want {
						t.Errorf("%s: %d aborts, not %d", id, h.aborts[id], want)
					}
				}
			})
		})
	}
}

// TestSettleIsShort: who unmounts waits until everything was looked at once, and no
// longer than he likes.
func TestSettleIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHaunted(nil)
		a, b := start(h)
		a.Settle(t.Context()) // for nothing
		begun := time.Now()
		a.Abort(store.Upload{Key: "k", ID: "1"})
		a.Settle(t.Context())
		if d := time.Since(begun); d < time.Second || d > 2*time.Second {
			t.Errorf("it took %v", d)
		}
		h.mu.Lock()
		h.down = store.ErrUnavailable
		h.mu.Unlock()
		a.Abort(store.Upload{Key: "k", ID: "2"})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		a.Settle(ctx)
		a.Close()
		a.Abort(store.Upload{Key: "k", ID: "3"}) // too late
		if b.len() != 3 {
			t.Errorf("the journal has %v for the next mount, not three", b.has)
		}
	})
}

// TestManyOrphans: a few requests at once, however many uploads are given up, and next to
// none while the store is away.
func TestManyOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHaunted(nil)
		h.down = store.ErrUnavailable
		a, b := start(h)
		defer a.Close()
		const n = 10_000
		for i := range n {
			a.Abort(store.Upload{Key: "k", ID: fmt.Sprint(i)})
		}
		time.Sleep(10 * time.Minute)
		h.mu.Lock()
		if h.requests > 100 {
			t.Errorf("%d requests in ten minutes to a store that is away", h.requests)
		}
		h.down, h.requests = nil, 0
		h.mu.Unlock()
		time.Sleep(10 * time.Minute)
		h.mu.Lock()
		defer h.mu.Unlock()
		if b.len() > 0 || h.requests > 3*n+100 || h.most > defaultWorkers {
			t.Errorf("%d left, %d requests, %d at once", b.len(), h.requests, h.most)
		}
	})
}

// TestOneThatIsRefused holds up no other.
func TestOneThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHaunted(nil)
		a, b := start(refusing{h})
		defer a.Close()
		for i := range 100 {
			a.Abort(store.Upload{Key: "k", ID: fmt.Sprint(i)})
		}
		time.Sleep(2 * time.Minute)
		if b.len() != 1 || !b.has["7"] {
			t.Errorf("left: %v, not the one alone", b.has)
		}
	})
}

// refusing does not abort upload 7.
type refusing struct{ *haunted }

func (r refusing) Abort(ctx context.Context, up store.Upload) error {
	if up.ID == "7" {
		return store.ErrDenied
	}
	return r.haunted.Abort(ctx, up)
}

// TestAnsweredAbortIsNoWarning: an upload whose abort was answered is not called one that
// is still there, whether what came later may be looked at or not.
func TestAnsweredAbortIsNoWarning(t *testing.T) {
	for name, how := range map[string]func(*haunted){
		"denied": func(h *haunted) { h.deny, h.blind = true, true },
		"away":   func(h *haunted) { h.down = store.ErrUnavailable },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHaunted(map[string][]time.Duration{"1": {time.Millisecond}})
				b, log := &book{has: map[string]bool{}}, &bytes.Buffer{}
				a := New(Config{Store: h, Note: b.note, Forget: b.forget, Log: slog.New(slog.NewTextHandler(log, nil))})
				a.Abort(store.Upload{Key: "k", ID: "1"})
				time.Sleep(500 * time.Millisecond)
				h.mu.Lock()
				how(h)
				h.mu.Unlock()
				time.Sleep(Straggle)
				h.mu.Lock()
				h.down = nil
				h.mu.Unlock()
				time.Sleep(2 * longestPause)
				a.Close()
				if b.len() > 0 || len(h.arrived) > 0 || h.aborts["1"] < 2 {
					t.Errorf("left: the journal has %v, the store %v after %d aborts", b.has, h.arrived, h.aborts["1"])
				}
				if strings.Contains(log.String(), "WARN") {
					t.Errorf("the log warns:\n%s", log)
				}
			})
		})
	}
}
