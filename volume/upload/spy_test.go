package upload

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"testing"

	"mcfs/store"
)

// spy stands before a real store: it records what leaves and fails what it is told to.
type spy struct {
	store.Store
	t testing.TB

	mu     sync.Mutex
	calls  map[string]int
	before func(ctx context.Context, call string, n int) error // an error: the call is not carried out
	after  func(call string, n int) error                      // an error: carried out, and the answer lost
	refuse func(part int) bool                                 // parts, from 0, that are not taken
	left   map[string][]packet                                 // by mcfs-iv
	ivs    map[string]string                                   // by upload id
}

// packet is the body of one call.
type packet struct {
	part int // from 0
	data []byte
}

func newSpy(t testing.TB, s store.Store) *spy {
	return &spy{Store: s, t: t, calls: map[string]int{}, left: map[string][]packet{}, ivs: map[string]string{}}
}

func (s *spy) enter(ctx context.Context, call string) (int, error) {
	s.mu.Lock()
	s.calls[call]++
	n, f := s.calls[call], s.before
	s.mu.Unlock()
	if f == nil {
		return n, ctx.Err()
	}
	return n, f(ctx, call, n)
}

func (s *spy) leave(call string, n int) error {
	s.mu.Lock()
	f := s.after
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(call, n)
}

func (s *spy) count(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call]
}

func (s *spy) hooks(before func(context.Context, string, int) error, after func(string, int) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// record notes the body as sent, whether or not the call will succeed: it left.
func (s *spy) record(iv string, part int, b store.Body) error {
	data, err := io.ReadAll(b)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if int64(len(data)) != b.Size {
		s.t.Errorf("part %d has %d bytes, said to have %d", part+1, len(data), b.Size)
	}
	s.mu.Lock()
	s.left[iv] = append(s.left[iv], packet{part, data})
	s.mu.Unlock()
	_, err = b.Seek(0, io.SeekStart)
	return err
}

func (s *spy) Put(ctx context.Context, key string, b store.Body, a store.Attributes, c store.Condition) (store.Info, error) {
	if err := s.record(a.Metadata["mcfs-iv"], 0, b); err != nil {
		return store.Info{}, err
	}
	n, err := s.enter(ctx, "Put")
	if err != nil {
		return store.Info{}, err
	}
	info, err := s.Store.Put(ctx, key, b, a, c)
	if err == nil {
		err = s.leave("Put", n)
	}
	return info, err
}

func (s *spy) Begin(ctx context.Context, key string, a store.Attributes) (store.Upload, error) {
	n, err := s.enter(ctx, "Begin")
	if err != nil {
		return store.Upload{}, err
	}
	up, err := s.Store.Begin(ctx, key, a)
	if err == nil {
		s.mu.Lock()
		s.ivs[up.ID] = a.Metadata["mcfs-iv"]
		s.mu.Unlock()
		if err = s.leave("Begin", n); err != nil {
			return store.Upload{}, err
		}
	}
	return up, err
}

func (s *spy) PutPart(ctx context.Context, up store.Upload, number int, b store.Body) (store.Part, error) {
	s.mu.Lock()
	iv, refuse := s.ivs[up.ID], s.refuse
	s.mu.Unlock()
	if err := s.record(iv, number-1, b); err != nil {
		return store.Part{}, err
	}
	if refuse != nil && refuse(number-1) {
		return store.Part{}, store.ErrUnavailable
	}
	n, err := s.enter(ctx, "PutPart")
	if err != nil {
		return store.Part{}, err
	}
	p, err := s.Store.PutPart(ctx, up, number, b)
	if err == nil {
		err = s.leave("PutPart", n)
	}
	return p, err
}

func (s *spy) Complete(ctx context.Context, up store.Upload, parts []store.Part, c store.Condition) (store.Info, error) {
	n, err := s.enter(ctx, "Complete")
	if err != nil {
		return store.Info{}, err
	}
	info, err := s.Store.Complete(ctx, up, parts, c)
	if err == nil {
		err = s.leave("Complete", n)
	}
	return info, err
}

func (s *spy) Abort(ctx context.Context, up store.Upload) error {
	if _, err := s.enter(ctx, "Abort"); err != nil {
		return err
	}
	return s.Store.Abort(ctx, up)
}

func (s *spy) Head(ctx context.Context, key string) (store.Info, error) {
	if _, err := s.enter(ctx, "Head"); err != nil {
		return store.Info{}, err
	}
	return s.Store.Head(ctx, key)
}

// checkP2 asserts that under no key and IV two different ciphertexts, and so
// two plaintexts under one keystream, left for one offset.
func (s *spy) checkP2(t interface{ Fatalf(string, ...any) }, l layout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for iv, packets := range s.left {
		longest := map[int][]byte{} // parts do not overlap: they begin where their number says
		for _, p := range packets {
			n := min(len(p.data), len(longest[p.part]))
			if !bytes.Equal(p.data[:n], longest[p.part][:n]) {
				t.Fatalf("IV %s: two different contents left for part %d", iv, p.part+1)
			}
			if n < len(p.data) {
				longest[p.part] = p.data
			}
			if end := l.offset(p.part) + int64(len(p.data)); end > l.end(p.part)+maxTail {
				t.Fatalf("part %d reaches %d", p.part+1, end)
			}
		}
	}
}
