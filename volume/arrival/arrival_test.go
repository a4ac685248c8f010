package arrival

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// version makes one that is told by its IV, and wants a sidecar.
func version(iv string, fallback *remote.Version) *remote.Version {
	return remote.NewVersion(remote.Content{Mode: crypt.CTR, IV: []byte(iv)}, remote.State{Fallback: fallback})
}

// bucket has versions at keys, some of which arrive at a time, and fails when it is told to.
type bucket struct {
	at        map[string]*remote.Version
	arrives   map[string]time.Time // nothing: it is there
	published []string
	failures  int // so many looks fail
	failure   error
	looks     int
}

func (b *bucket) IsAt(_ context.Context, x *remote.Version, key string) (bool, error) {
	b.looks++
	if b.failures > 0 {
		b.failures--
		return false, b.failure
	}
	return b.at[key] == x && !time.Now().Before(b.arrives[key]), nil
}

func (b *bucket) Find(ctx context.Context, x *remote.Version, key string) (store.Info, bool, error) {
	ours, err := b.IsAt(ctx, x, key)
	return store.Info{}, ours, err
}

func (b *bucket) PublishFound(_ context.Context, x *remote.Version, key string) error {
	if b.at[key] != x {
		return store.ErrNotExist
	}
	b.published = append(b.published, key+" "+string(x.IV))
	return nil
}

// TestResolve: the object is found where it is, or has gone; what stands in the end has its sidecar.
func TestResolve(t *testing.T) {
	silent := fmt.Errorf("head: %w", store.ErrUnavailable)
	old := version("old", nil)
	ver, first := version("new", old), version("new", nil)
	none := func() []string { return nil }
	for _, c := range []struct {
		name      string
		b         bucket
		ver       *remote.Version
		promised  bool
		age       time.Duration
		places    func() []string
		ours      bool
		at        string
		published []string
		took      time.Duration // at least, and not twice as much
	}{
		{name: "arrived", b: bucket{at: map[string]*remote.Version{"a": ver}}, ver: ver, places: none, ours: true, at: "a", published: []string{"a new"}},
		{name: "arrived, and renamed since", b: bucket{at: map[string]*remote.Version{"b": ver}}, ver: ver,
			places: func() []string { return []string{"a", "b"} }, ours: true, at: "b", published: []string{"b new"}},
		{name: "arrived a moment later", b: bucket{at: map[string]*remote.Version{"a": ver}, arrives: map[string]time.Time{"a": {}}}, ver: ver, places: none,
			ours: true, at: "a", published: []string{"a new"}, took: waits[0]},
		{name: "not arrived", b: bucket{at: map[string]*remote.Version{"a": old}}, ver: ver, places: none, at: "a", published: []string{"a old"}, took: waits[0] + waits[1]},
		{name: "not arrived, and too old to", b: bucket{at: map[string]*remote.Version{"a": old}}, ver: ver, age: longest, places: none, at: "a", published: []string{"a old"}},
		{name: "not arrived, and sent again", b: bucket{at: map[string]*remote.Version{"a": old}}, ver: ver, promised: true, places: none, at: "a"},
		{name: "not arrived, and another's is there", b: bucket{at: map[string]*remote.Version{"a": version("theirs", nil)}}, ver: ver, places: none, at: "a", took: waits[0] + waits[1]},
		{name: "not arrived, and nothing was there", b: bucket{}, ver: first, places: none, at: "a", took: waits[0] + waits[1]},
		{name: "silence first", b: bucket{at: map[string]*remote.Version{"a": ver}, failures: 1, failure: silent}, ver: ver, places: none, ours: true, at: "a", published: []string{"a new"}, took: time.Second / 2},
		{name: "a refusal", b: bucket{at: map[string]*remote.Version{"a": ver}, failures: 1, failure: errors.New("refused")}, ver: ver, places: none, at: "a"},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			if c.b.arrives != nil {
				c.b.arrives["a"] = begun.Add(waits[0])
			}
			m := Commit{Client: &c.b, Making: c.ver, At: "a", Places: c.places, Promised: c.promised, Updated: begun.Add(-c.age),
				Backoff: queue.Backoff{First: time.Second, Longest: time.Minute}, Log: slog.New(slog.DiscardHandler)}
			ours, ok := m.Resolve(t.Context())
			if !ok || ours != c.ours || m.At != c.at || !slices.Equal(c.b.published, c.published) {
				t.Errorf("%s: ours %t at %s, %v published, ok %t", c.name, ours, m.At, c.b.published, ok)
			}
			if took := time.Since(begun); took < c.took || took > 2*c.took {
				t.Errorf("%s: it took %v, want %v", c.name, took, c.took)
			}
		})
	}
}

// TestResolveStops: a store that does not answer is asked until the context ends.
func TestResolveStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{failures: 1 << 30, failure: fmt.Errorf("head: %w", store.ErrUnavailable)}
		m := Commit{Client: b, Making: version("new", nil), At: "a", Places: func() []string { return nil },
			Backoff: queue.Backoff{First: time.Second, Longest: time.Minute}, Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if ours, ok := m.Resolve(ctx); ours || ok {
			t.Errorf("ours %t, ok %t", ours, ok)
		}
		if b.looks < 60 {
			t.Errorf("%d looks in an hour", b.looks)
		}
	})
}

// TestAwaitLate: an object that comes as late as it can is found, and none is looked for after that.
func TestAwaitLate(t *testing.T) {
	for _, c := range []struct {
		name     string
		after    time.Duration
		promised bool
		arrived  bool
	}{
		{"after a minute", time.Minute, false, true},
		{"after an hour", time.Hour, false, false},
		{"where something newer is promised", 0, true, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			ver, begun := version("new", nil), time.Now()
			b := &bucket{at: map[string]*remote.Version{"a": ver}, arrives: map[string]time.Time{"a": begun.Add(c.after)}}
			m := Commit{Client: b, Making: ver, At: "a", Promised: c.promised, Updated: begun, Log: slog.New(slog.DiscardHandler)}
			if got := m.AwaitLate(t.Context()); got != c.arrived || c.arrived != (len(b.published) == 1) {
				t.Errorf("%s: arrived %t, published %v", c.name, got, b.published)
			}
			if took := time.Since(begun); took > 2*longest {
				t.Errorf("%s: looked for %v", c.name, took)
			}
		})
	}
}

// TestAwait: a version is waited for a second, and not where it is there or the store fails.
func TestAwait(t *testing.T) {
	ver := version("new", nil)
	failed := errors.New("refused")
	for _, c := range []struct {
		name string
		b    bucket
		took time.Duration
		err  error
	}{
		{"there", bucket{at: map[string]*remote.Version{"a": ver}}, 0, nil},
		{"not there", bucket{}, waits[0] + waits[1], nil},
		{"a refusal", bucket{failures: 1, failure: failed}, 0, failed},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			if err := Await(t.Context(), &c.b, ver, "a"); !errors.Is(err, c.err) || time.Since(begun) != c.took {
				t.Errorf("%s: %v after %v", c.name, err, time.Since(begun))
			}
		})
	}
}
