package listing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/store"
)

// shelf is a store that has keys, of which it lists so many a page.
type shelf struct {
	store.Store
	keys    []string
	perPage int
	asked   int
	next    func(asked int, token string) string // instead of the true token
}

// List answers as S3 does: the token is the last key that was told.
func (s *shelf) List(ctx context.Context, prefix, delimiter, token string, _ int) (page store.Page, err error) {
	if s.asked++; ctx.Err() != nil {
		return page, ctx.Err()
	}
	if s.next != nil {
		return store.Page{Next: s.next(s.asked, token)}, nil
	}
	for _, k := range slices.Sorted(slices.Values(s.keys)) {
		rest, below := strings.CutPrefix(k, prefix)
		folder, _, inFolder := strings.Cut(rest, "/")
		shown := k
		if inFolder = inFolder && delimiter != "" && rest != ""; inFolder {
			shown = prefix + folder + "/"
		}
		switch {
		case !below || shown <= token:
		case len(page.Objects)+len(page.Prefixes) == s.perPage:
			return page, nil
		case inFolder && !slices.Contains(page.Prefixes, shown):
			page.Prefixes = append(page.Prefixes, shown)
		case !inFolder:
			page.Objects = append(page.Objects, store.Info{Key: k})
		}
		page.Next = ""
		if len(page.Objects)+len(page.Prefixes) == s.perPage {
			page.Next = shown
		}
	}
	page.Next = ""
	return page, nil
}

func (s *shelf) Head(_ context.Context, key string) (store.Info, error) {
	if !slices.Contains(s.keys, key) {
		return store.Info{}, store.ErrNotExist
	}
	return store.Info{Key: key}, nil
}

// spelled is what was found, for comparing: "name object sidecar /".
func spelled(names Names) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(names)) {
		found := names[name]
		s := name
		if found.Object != nil {
			s += " " + found.Object.Key
		}
		if found.Sidecar != nil {
			s += " + " + found.Sidecar.Key
		}
		if found.Folder {
			s += " /"
		}
		list = append(list, s)
	}
	return list
}

func TestDirectory(t *testing.T) {
	for _, c := range []struct {
		name   string
		keys   []string
		places []string
		want   []string
	}{
		{"nothing", nil, []string{""}, nil},
		{"a file and its sidecar", []string{"a", "a.settings.json"}, []string{""}, []string{"a a + a.settings.json"}},
		{"a file without", []string{"a"}, []string{""}, []string{"a a"}},
		{"a sidecar alone", []string{"a.settings.json"}, []string{""}, []string{"a.settings.json a.settings.json"}},
		{"a sidecar's sidecar", []string{"a", "a.settings.json", "a.settings.json.settings.json"}, []string{""},
			[]string{"a a", "a.settings.json a.settings.json + a.settings.json.settings.json"}},
		{"a folder", []string{"d/x", "d/y/z"}, []string{""}, []string{"d /"}},
		{"a folder's marker", []string{"d/", "d/x"}, []string{"d/"}, []string{" d/", "x d/x"}},
		{"a folder by a sidecar's name", []string{"a", "a.settings.json", "a.settings.json/x"}, []string{""},
			[]string{"a a + a.settings.json", "a.settings.json /"}},
		{"a file and a folder of one name", []string{"a", "a/x"}, []string{""}, []string{"a a /"}},
		{"what no path spells", []string{"//x", "/x", "d/..", "d/.", "d//x", "d/a\x00", "d/" + strings.Repeat("n", 256), "d/\xff"}, []string{"", "d/"}, []string{"d /"}},
		{"of two places, the older first", []string{"d/a", "e/a", "e/a.settings.json", "e/b"}, []string{"d/", "e/"}, []string{"a d/a + e/a.settings.json", "b e/b"}},
	} {
		for _, perPage := range []int{1, 2, 1000} {
			s, pages := &shelf{keys: c.keys, perPage: perPage}, 0
			names, whole, err := Reader{Store: s}.Directory(t.Context(), c.places, false, func() { pages++ })
			if got := spelled(names); err != nil || !whole || !slices.Equal(got, c.want) {
				t.Errorf("%s, %d a page: %q, %v, %v; want %q", c.name, perPage, got, whole, err, c.want)
			}
			if pages != s.asked {
				t.Errorf("%s: %d pages, %d were told of", c.name, s.asked, pages)
			}
		}
	}
}

// TestOnePage: no more is asked for, and whether that was all is told.
func TestOnePage(t *testing.T) {
	for _, c := range []struct {
		perPage int
		whole   bool
	}{{1, false}, {2, true}, {3, true}} {
		s := &shelf{keys: []string{"a", "b"}, perPage: c.perPage}
		_, whole, err := Reader{Store: s}.Directory(t.Context(), []string{""}, true, func() {})
		if whole != c.whole || err != nil || s.asked != 1 {
			t.Errorf("%d a page: whole is %v after %d pages, %v", c.perPage, whole, s.asked, err)
		}
	}
}

// TestListsEnd: one that leads in a circle, and one that goes on for ever.
func TestListsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		next func(asked int, token string) string
		most int // pages that are asked for
	}{
		"the same token":  {func(int, string) string { return "t" }, 2},
		"a circle of 3":   {func(asked int, _ string) string { return fmt.Sprint(asked % 3) }, 4},
		"ever new tokens": {func(asked int, _ string) string { return fmt.Sprint("t", asked) }, MaxPages},
	} {
		s := &shelf{next: c.next}
		names, whole, err := Reader{Store: s}.Directory(t.Context(), []string{""}, false, func() {})
		if !errors.Is(err, store.ErrUnavailable) || whole || names != nil || s.asked > c.most {
			t.Errorf("%s: %v after %d pages", name, err, s.asked)
		}
		if strings.Contains(name, "new") {
			continue // of all below a prefix there may be any number
		}
		s.asked = 0
		for _, err = range Pages(t.Context(), s, "") {
		}
		if !errors.Is(err, store.ErrUnavailable) || s.asked > c.most {
			t.Errorf("%s: %v after %d pages of all", name, err, s.asked)
		}
	}
}

// TestPages are of all that is below a prefix; who has seen enough asks for no more.
func TestPages(t *testing.T) {
	s := &shelf{keys: []string{"d/a", "d/b/c", "d/e", "f"}, perPage: 1}
	var got []string
	for page, err := range Pages(t.Context(), s, "d/") {
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			got = append(got, o.Key)
		}
	}
	if !slices.Equal(got, []string{"d/a", "d/b/c", "d/e"}) {
		t.Errorf("%q", got)
	}
	s.asked = 0
	for range Pages(t.Context(), s, "d/") {
		break
	}
	if s.asked != 1 {
		t.Errorf("%d pages were asked for", s.asked)
	}
}

// stuck is a store that does not answer.
type stuck struct{ store.Store }

func (stuck) List(ctx context.Context, _, _, _ string, _ int) (store.Page, error) {
	<-ctx.Done()
	return store.Page{}, ctx.Err()
}

// TestPageHasADeadline: a store that does not answer ends the list.
func TestPageHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		_, _, err := Reader{Store: stuck{}, Timeout: time.Minute}.Directory(t.Context(), []string{""}, false, func() {})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// TestLookup: one name, with its sidecar, however many others begin so.
func TestLookup(t *testing.T) {
	keys := []string{"d/a", "d/a.settings.json", "d/ab", "d/b", "e/a", "d/c/x"}
	for i := range 20 {
		keys = append(keys, fmt.Sprintf("d/a-%02d", i))
	}
	for _, c := range []struct {
		name   string
		places []string
		want   string
	}{
		{"a", []string{"d/"}, "a d/a + d/a.settings.json"},
		{"b", []string{"d/"}, "b d/b"},
		{"c", []string{"d/"}, "c /"},
		{"x", []string{"d/"}, ""},
		{"a", []string{"e/", "d/"}, "a e/a + d/a.settings.json"},
	} {
		for _, perPage := range []int{2, 1000} {
			names, err := Reader{Store: &shelf{keys: keys, perPage: perPage}}.Lookup(t.Context(), c.places, c.name)
			got := ""
			if names[c.name] != nil {
				got = spelled(Names{c.name: names[c.name]})[0]
			}
			if err != nil || got != c.want {
				t.Errorf("%s in %q, %d a page: %q, %v; want %q", c.name, c.places, perPage, got, err, c.want)
			}
		}
	}
}

func TestNamesHas(t *testing.T) {
	n := Names{"": {Object: &store.Info{}}, "a": {Object: &store.Info{}}, "d": {Folder: true}, "both": {Object: &store.Info{}, Folder: true}, "none": {}}
	for name, want := range map[string]bool{"a": true, "a/": false, "d": false, "d/": true, "both": true, "both/": true, "none": false, "none/": false, "x": false} {
		if n.Has(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if n.Marker() == nil || n.Marker() != nil || n[""] != nil {
		t.Error("the marker is not taken out once")
	}
}

// TestWalk: who asks for one name after the other in their order is known after three.
func TestWalk(t *testing.T) {
	for _, c := range []struct {
		names string
		ahead string // after which names what follows is read ahead
	}{
		{"abcdef", "cdef"}, {"fedcba", ""}, {"acbedf", ""}, {"abcab", "c"}, {"abcabc", "cc"}, {"aabbcc", ""}, {"acegikm", "egikm"},
	} {
		var w Walk
		got := ""
		for _, name := range c.names {
			if w.Step(string(name)) {
				got += string(name)
			}
		}
		if got != c.ahead {
			t.Errorf("%s: ahead after %q, want %q", c.names, got, c.ahead)
		}
	}
	var w Walk
	got := ""
	for _, name := range "abcdefghi" {
		if w.Step(string(name)) {
			got += string(name)
			w.Ahead(string(name + 2))
		}
	}
	if got != "cfi" {
		t.Errorf("read ahead after %q, want each third", got)
	}
}
