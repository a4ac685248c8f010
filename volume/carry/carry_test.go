package carry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/store/dir"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// tree is a store that takes no key longer than most, and notes what is done to its objects.
type tree struct {
	store.Store
	most int

	mu      sync.Mutex
	heads   int
	did     []string
	refuses map[string]error // what to answer to a rename or a look
	damaged string           // a key
}

func (f *tree) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, fmt.Sprintf(format, args...))
}

func (f *tree) CheckKey(key string) error {
	if len(key) > f.most {
		return errors.New("too long")
	}
	return nil
}

func (f *tree) Head(ctx context.Context, key string) (store.Info, error) {
	f.mu.Lock()
	f.heads++
	f.mu.Unlock()
	return f.Store.Head(ctx, key)
}

func (f *tree) Load(_ context.Context, l remote.Listing) (*remote.Version, error) {
	if err := f.refuses["load "+l.Key]; err != nil {
		return nil, err
	}
	ver := remote.NewVersion(remote.Content{Mode: crypt.CTR, IV: []byte(l.Key)}, remote.State{Key: l.Key, ETag: l.ETag, Sidecar: l.Sidecar})
	if l.Key == f.damaged {
		ver.Damage = errors.New("damaged")
	}
	return ver, nil
}

func (f *tree) MoveMarkers(_ context.Context, from, to string, markers []string) error {
	slices.Sort(markers)
	f.note("markers %s from %s to %s", strings.Join(markers, " "), from, to)
	return nil
}

func (f *tree) MoveDamaged(_ context.Context, from, to string, _ func(int64)) error {
	f.note("damaged %s to %s", from, to)
	return nil
}

func (f *tree) TakeKnownAttr(ver *remote.Version) { f.note("attributes of %s", ver.State().Key) }

func (f *tree) Rename(_ context.Context, from, to string, ver *remote.Version, _ *queue.Stride) (*remote.Version, error) {
	if err := f.refuses["rename "+from]; err != nil {
		return nil, err
	}
	f.note("%s to %s", from, to)
	return ver, nil
}

func (f *tree) Moved(was remote.Listing, _ *remote.Version) { f.note("moved %s", was.Key) }

// begin makes a store with empty objects at keys, and the move of d/ to n/ in it.
func begin(t *testing.T, keys ...string) (*tree, *Move) {
	t.Helper()
	s, err := dir.New(dir.Options{Path: filepath.Join(t.TempDir(), "store"), Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, key := range keys {
		if _, err := s.Put(t.Context(), key, store.Body{ReadSeeker: strings.NewReader("")}, store.Attributes{}, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	f := &tree{Store: s, most: 1 << 10}
	return f, &Move{From: "d/", To: "n/", Store: f, Remote: f, Host: f, Log: slog.New(slog.DiscardHandler),
		Stride: func(string) *queue.Stride { return nil }}
}

// TestObjects: each object goes once, with its sidecar, and markers last; what cannot go stays, and
// what is gone is no failure.
func TestObjects(t *testing.T) {
	refused := errors.New("refused")
	for _, c := range []struct {
		name    string
		keys    []string
		most    int
		damaged string
		refuses map[string]error
		want    []string // but for the markers, in no order
		err     error    // then nothing is said of the markers
	}{
		{name: "nothing"},
		{name: "a file without a sidecar, and one elsewhere", keys: []string{"d/a", "e/b"}, want: []string{"attributes of d/a", "d/a to n/a", "moved d/a"}},
		{name: "a file with its sidecar", keys: []string{"d/a", "d/a.settings.json"}, want: []string{"d/a to n/a", "moved d/a"}},
		{name: "a sidecar's name with a sidecar of its own", keys: []string{"d/a", "d/a.settings.json", "d/a.settings.json.settings.json"},
			want: []string{"d/a to n/a", "moved d/a", "d/a.settings.json to n/a.settings.json", "moved d/a.settings.json"}},
		{name: "a sidecar's name without a file", keys: []string{"d/a.settings.json"},
			want: []string{"attributes of d/a.settings.json", "d/a.settings.json to n/a.settings.json", "moved d/a.settings.json"}},
		{name: "below it", keys: []string{"d/b/c/a", "d/b/c/a.settings.json"}, want: []string{"d/b/c/a to n/b/c/a", "moved d/b/c/a"}},
		{name: "markers", keys: []string{"d/", "d/b/"}, want: []string{"markers d/ d/b/ from d/ to n/"}},
		{name: "a key that would be too long", keys: []string{"d/longer", "d/a", "d/longer/"}, most: 4,
			want: []string{"attributes of d/a", "d/a to n/a", "moved d/a"}},
		{name: "a sidecar's key that would be", keys: []string{"d/a", "d/a.settings.json"}, most: 10},
		{name: "damaged", keys: []string{"d/a", "d/a.settings.json"}, damaged: "d/a", want: []string{"damaged d/a to n/a"}},
		{name: "gone since the listing", keys: []string{"d/a", "d/a.settings.json"}, refuses: map[string]error{"load d/a": store.ErrNotExist}},
		{name: "gone since it was looked at", keys: []string{"d/a", "d/a.settings.json"}, refuses: map[string]error{"rename d/a": store.ErrNotExist}},
		{name: "refused", keys: []string{"d/", "d/a", "d/a.settings.json"}, refuses: map[string]error{"rename d/a": refused}, err: refused},
		{name: "not to be described", keys: []string{"d/", "d/a", "d/a.settings.json"}, refuses: map[string]error{"load d/a": refused}, err: refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, m := begin(t, c.keys...)
			f.damaged, f.refuses = c.damaged, c.refuses
			if c.most > 0 {
				f.most = c.most
			}
			if err := m.Objects(t.Context()); !errors.Is(err, c.err) {
				t.Errorf("%v", err)
			}
			did := f.did
			if c.err != nil {
				if len(did) > 0 {
					t.Errorf("after a failure: %q", did)
				}
				return
			}
			last := did[len(did)-1]
			if !strings.HasPrefix(last, "markers ") {
				t.Fatalf("the last is %q", last)
			}
			if last == "markers  from d/ to n/" {
				did = did[:len(did)-1]
			}
			slices.Sort(did)
			slices.Sort(c.want)
			if !slices.Equal(did, c.want) {
				t.Errorf("done was %q, want %q", did, c.want)
			}
		})
	}
}

// TestSidecarCostsNothing: a sidecar on its file's page is asked for with the file alone; and one
// whose file is on another page is left to that.
func TestSidecarCostsNothing(t *testing.T) {
	f, m := begin(t, "d/a", "d/a.settings.json")
	if err := m.Objects(t.Context()); err != nil || f.heads != 1 {
		t.Errorf("%d requests, %v", f.heads, err)
	}
	f.did = nil
	if err := m.object(t.Context(), store.Info{Key: "d/a.settings.json"}); err != nil || len(f.did) > 0 {
		t.Errorf("done was %q, %v", f.did, err)
	}
}

// TestIsSidecarOf: a sidecar is its file's if that is on the page, unless it is a file itself.
func TestIsSidecarOf(t *testing.T) {
	page := func(keys ...string) (list []store.Info) {
		for _, key := range keys {
			list = append(list, store.Info{Key: key})
		}
		return list
	}
	const a, side, sides = "d/a", "d/a.settings.json", "d/a.settings.json.settings.json"
	for _, c := range []struct {
		key  string
		page []store.Info
		want bool
	}{
		{a, page(a, side), false},
		{side, page(a, side), true},
		{side, page(side), false},
		{side, page(a, side, sides), false},
		{sides, page(a, side, sides), true},
	} {
		if got := isSidecarOf(c.key, c.page); got != c.want {
			t.Errorf("%s beside %d others: %t", c.key, len(c.page)-1, got)
		}
	}
}
