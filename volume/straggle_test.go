package volume

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/volume/orphans"
)

// straggling is a store that goes on with parts whose sender has turned away: each
// arrives after the abort of its upload, and stays there, unlisted, until the next.
type straggling struct {
	store.Store
	mu     sync.Mutex
	held   bool           // parts of one upload are not answered
	slow   string         // its ID: the first that sends one while they are held
	away   bool           // nothing can be aborted
	parts  int            // that came
	turned map[string]int // parts by upload, whose sender has turned away
	stays  map[string]int // parts by upload that have arrived after the abort
	aborts int
}

func (s *straggling) PutPart(ctx context.Context, up store.Upload, n int, b store.Body) (store.Part, error) {
	s.mu.Lock()
	if s.held && s.slow == "" {
		s.slow = up.ID
	}
	held := s.held && s.slow == up.ID
	s.parts++
	s.mu.Unlock()
	if !held {
		return s.Store.PutPart(ctx, up, n, b)
	}
	<-ctx.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turned[up.ID]++
	return store.Part{}, ctx.Err()
}

func (s *straggling) Abort(ctx context.Context, up store.Upload) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errDown
	}
	err := s.Store.Abort(ctx, up)
	s.aborts++
	delete(s.stays, up.ID)
	if n := s.turned[up.ID]; n > 0 {
		delete(s.turned, up.ID)
		s.stays[up.ID] = n
	}
	return err
}

func (s *straggling) Parts(ctx context.Context, up store.Upload) ([]store.Part, error) {
	s.mu.Lock()
	n := s.stays[up.ID]
	s.mu.Unlock()
	if n > 0 {
		return make([]store.Part, n), nil
	}
	return s.Store.Parts(ctx, up)
}

// be has parts unanswered, or nothing aborted, from now on.
func (s *straggling) be(held, away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.away = held, away
}

func (s *straggling) left() (turned, stays int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.turned), len(s.stays)
}

func newStragglingRig(t *testing.T, mode crypt.Mode) (*rig, *straggling) {
	r := newSmallRig(t, mode)
	s := &straggling{Store: r.store, turned: map[string]int{}, stays: map[string]int{}}
	r.o.Store, r.o.PartSize = s, cutPart
	r.open("spool-straggling")
	return r, s
}

// underWay begins a long file of which parts are under way.
func (s *straggling) underWay(r *rig, name string) (*Handle, []byte) {
	s.be(true, false)
	h, p := r.create(name, os.O_TRUNC), random(20*cutPart)
	r.write(h, p, 0)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		n := s.parts
		s.mu.Unlock()
		if n > 1 {
			return h, p
		}
		if time.Now().After(deadline) {
			r.t.Fatal("no part is under way")
		}
	}
}

// waysToGiveUp are what makes an upload be given up while parts of it are under way.
var waysToGiveUp = map[string]func(r *rig, h *Handle, p []byte){
	"written again": func(r *rig, h *Handle, p []byte) {
		r.write(h, []byte("changed"), 2*cutPart)
		copy(p[2*cutPart:], "changed")
	},
	"emptied": func(r *rig, h *Handle, p []byte) {
		r.truncate(h, 0)
		r.write(h, p, 0)
	},
	"cut":     func(r *rig, h *Handle, p []byte) { r.truncate(h, cutPart); r.write(h, p, 0) },
	"renamed": func(r *rig, h *Handle, p []byte) { r.mustRename("a", "b", 0) },
	"removed": func(r *rig, h *Handle, p []byte) { r.remove("a") },
}

// TestPartsUnderWayWhenAnUploadIsGivenUp: whatever makes it be given up, nothing of it
// stays in the store, and in the journal, although parts arrive after its abort (P5).
func TestPartsUnderWayWhenAnUploadIsGivenUp(t *testing.T) {
	for way, giveUp := range waysToGiveUp {
		for _, mode := range []crypt.Mode{crypt.CTR, crypt.CBC} {
			bubble(t, fmt.Sprintf("%s, %v", way, mode), func(t *testing.T) {
				r, s := newStragglingRig(t, mode)
				h, p := s.underWay(r, "a")
				giveUp(r, h, p)
				s.be(false, false)
				r.finish(h)
				s.gone(r)
				if way == "removed" {
					return
				}
				name := map[bool]string{true: "b", false: "a"}[way == "renamed"]
				r.truthful()
				r.cold()
				if !bytes.Equal(r.load(name), p) {
					t.Error("content differs")
				}
			})
		}
	}
}

// gone waits until neither the store nor the journal has any of it.
func (s *straggling) gone(r *rig) {
	r.t.Helper()
	var noted any
	for deadline := time.Now().Add(4 * orphans.Straggle); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		list, err := r.spool.Journal().Uploads()
		if err != nil {
			r.t.Fatal(err)
		}
		turned, stays := s.left()
		if noted = list; len(list) == 0 && turned+stays == 0 {
			r.eventually(0)
			return
		}
	}
	turned, stays := s.left()
	r.t.Errorf("%d uploads not aborted, %d with parts that arrived later; the journal has %v", turned, stays, noted)
}

// TestPartsUnderWayAtTheEnd: the mount ends soon after an upload was given up, while the
// store is away. The next one sees to it.
func TestPartsUnderWayAtTheEnd(t *testing.T) {
	for _, killed := range []bool{false, true} {
		bubble(t, map[bool]string{false: "unmounted", true: "killed"}[killed], func(t *testing.T) {
			r, s := newStragglingRig(t, crypt.CTR)
			f := &flaky{Store: s}
			r.close()
			r.o.Store = f
			r.open("spool-flaky")
			h, _ := s.underWay(r, "a")
			s.be(true, true)
			r.remove("a")
			h.Release()
			if killed {
				r.crash(f, "after")
			} else {
				r.close()
				r.open("spool-flaky")
			}
			if turned, _ := s.left(); turned == 0 {
				t.Error("the first mount has aborted it: the test shows nothing")
			}
			s.be(false, false)
			s.gone(r)
			if s.aborts < 2 {
				t.Errorf("%d aborts", s.aborts)
			}
		})
	}
}
