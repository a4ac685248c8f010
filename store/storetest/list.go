package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mcfs/store"
)

// hostile are names that every store can keep.
var hostile = []string{
	"plain", "sp ace", " leading", "trailing ", "plus+plus", "per%cent", "%41", "%2F", "100%", "a&b=c?d#e;f", "quo\"te", "apo'strophe",
	"back\\slash", "semi;colon", "star*", "br[ack]et{s}", "<xml>&amp;", "pipe|", "tilde~", "at@", "colon:", "comma,", "dollar$", "caret^", "back`tick",
	"ümlaut", "日本語", "🎬.mp4", "combining e\u0301", "..dots", "...", ".hidden", "a/.b/..c", "deep/er/and/deeper/x", "UPPER", "-dash", "=", "+", "%",
	"name.settings.json", "nbsp\u00a0x", "rtl\u202ex", strings.Repeat("n", 242),
}

func testNames(t *testing.T, s store.Store) { RunNames(t, s, hostile) }

// RunNames puts, reads, lists, copies and deletes an object under each name.
func RunNames(t *testing.T, s store.Store, names []string) {
	for _, name := range names {
		t.Run(fmt.Sprintf("%.30q", name), func(t *testing.T) {
			content := []byte("content of " + name)
			want := put(t, s, name, content)
			got, info := get(t, s, name, store.Range{}, "")
			wantBytes(t, got, content)
			wantSame(t, info, want)
			objects, _, _ := walk(t, s, name, "", 0)
			if len(objects) != 1 {
				t.Fatalf("listed as %q", keysOf(objects))
			}
			wantSame(t, objects[0], want)
			copied, err := s.Copy(t.Context(), store.Copy{Source: name, SourceIfMatch: want.ETag, Target: "copies/" + name, Size: want.Size})
			if err != nil {
				t.Fatal(err)
			}
			wantSame(t, head(t, s, "copies/"+name), copied)
			up := begin(t, s, name+".up")
			info = completeAll(t, s, up, content)
			info.Metadata = map[string]string{"begun": "yes"}
			wantSame(t, head(t, s, name+".up"), info)
			for _, key := range []string{name, "copies/" + name, name + ".up"} {
				if err := s.Delete(t.Context(), key, store.Condition{}); err != nil {
					t.Fatal(err)
				}
			}
			if left := mustList(t, s); len(left) != 0 {
				t.Errorf("left: %q", keysOf(left))
			}
		})
	}
}

// testLongestKeys: CheckKey says exactly which lengths a store takes.
func testLongestKeys(t *testing.T, s store.Store) {
	folder := strings.Repeat(strings.Repeat("d", 199)+"/", 4)
	taken := 0
	for n := store.MaxKey - 60; n <= store.MaxKey+1; n += 1 + n%5 {
		key := folder + strings.Repeat("n", n-len(folder))
		refused := s.CheckKey(key)
		_, err := s.Put(t.Context(), key, BodyOf(nil), store.Attributes{}, store.Condition{})
		if (err == nil) != (refused == nil) {
			t.Errorf("%d bytes: CheckKey says %v, Put %v", n, refused, err)
		}
		if err == nil {
			taken++
		}
	}
	if err := s.CheckKey(folder + strings.Repeat("n", store.MaxKey+1-len(folder))); err == nil || taken == 0 {
		t.Errorf("%d keys were taken, and too long a one is refused with %v", taken, err)
	}
	if s.CheckKey("") == nil || s.CheckKey("x\xff") == nil {
		t.Error("what is no key is taken")
	}
}

// testOrder: keys come in the order of their bytes, where "/" is a byte like
// others and UTF-8 sorts after ASCII.
func testOrder(t *testing.T, s store.Store) {
	keys := []string{
		"a-b", "a.b", "a/b", "a/b-c", "a/b0", "a/bc/d", "a/bc.d", "a0", "aa", "A", "Z/z", "b!/x", "b/x", "b0/x", "é", "z", "日", "😀", "a b/c", "a/ b",
	}
	for _, k := range keys {
		put(t, s, k, []byte("x"))
	}
	slices.Sort(keys)
	for _, limit := range []int{0, 1, 2, 3, 7} {
		objects, _, _ := walk(t, s, "", "", limit)
		if diff := cmp.Diff(keys, keysOf(objects)); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
		objects, prefixes, _ := walk(t, s, "", "/", limit)
		if diff := cmp.Diff([]string{"A", "a-b", "a.b", "a0", "aa", "z", "é", "日", "😀"}, keysOf(objects)); diff != "" {
			t.Errorf("folded, pages of %d (-want +got):\n%s", limit, diff)
		}
		if diff := cmp.Diff([]string{"Z/", "a b/", "a/", "b!/", "b/", "b0/"}, prefixes); diff != "" {
			t.Errorf("prefixes, pages of %d (-want +got):\n%s", limit, diff)
		}
	}
}

// testListPages: more than one page of the largest size, whole and folded.
func testListPages(t *testing.T, s store.Store) {
	want := make([]string, 1100)
	var wg sync.WaitGroup
	todo := make(chan string)
	for range 8 {
		wg.Go(func() {
			for key := range todo {
				if _, err := s.Put(t.Context(), key, BodyOf([]byte(key)), store.Attributes{}, store.Condition{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range want {
		want[i] = fmt.Sprintf("many/%03d/%04d", i/10, i)
		todo <- want[i]
	}
	close(todo)
	wg.Wait()
	put(t, s, "lots", nil)
	put(t, s, "many.txt", nil)
	for _, tt := range []struct{ limit, pages int }{{0, 2}, {1000, 2}, {5000, 2}, {333, 4}} {
		objects, prefixes, pages := walk(t, s, "many/", "", tt.limit)
		if !slices.Equal(keysOf(objects), want) || len(prefixes) != 0 || pages != tt.pages {
			t.Errorf("pages of %d: %d objects, %d prefixes, %d pages", tt.limit, len(objects), len(prefixes), pages)
		}
		for _, o := range objects {
			if o.Size != int64(len(o.Key)) || o.ETag == "" || o.Modified.IsZero() {
				t.Fatalf("listed as %+v", o)
			}
		}
	}
	objects, prefixes, pages := walk(t, s, "many/", "/", 50)
	if len(objects) != 0 || len(prefixes) != 110 || pages != 3 || prefixes[0] != "many/000/" || prefixes[109] != "many/109/" {
		t.Errorf("folded: %d objects, %d prefixes, %d pages", len(objects), len(prefixes), pages)
	}
}

func testListPrefixes(t *testing.T, s store.Store) {
	for _, k := range []string{"dir/a", "dir/ab", "dir/b/c", "dir/b/d", "dir2/x", "di", "dir.txt"} {
		put(t, s, k, nil)
	}
	for _, tt := range []struct {
		prefix, delimiter string
		keys, prefixes    []string
	}{
		{"", "/", []string{"di", "dir.txt"}, []string{"dir/", "dir2/"}},
		{"dir", "/", []string{"dir.txt"}, []string{"dir/", "dir2/"}},
		{"dir/", "/", []string{"dir/a", "dir/ab"}, []string{"dir/b/"}},
		{"dir/a", "/", []string{"dir/a", "dir/ab"}, nil},
		{"dir/b", "/", []string{}, []string{"dir/b/"}},
		{"dir/b/", "/", []string{"dir/b/c", "dir/b/d"}, nil},
		{"dir/b/c", "", []string{"dir/b/c"}, nil},
		{"dir/b/c/", "", []string{}, nil},
		{"dir", "", []string{"dir.txt", "dir/a", "dir/ab", "dir/b/c", "dir/b/d", "dir2/x"}, nil},
		{"x", "/", []string{}, nil},
	} {
		objects, prefixes, _ := walk(t, s, tt.prefix, tt.delimiter, 0)
		if !slices.Equal(keysOf(objects), tt.keys) || !slices.Equal(prefixes, tt.prefixes) {
			t.Errorf("list %q, %q: %q and %q, want %q and %q", tt.prefix, tt.delimiter, keysOf(objects), prefixes, tt.keys, tt.prefixes)
		}
	}
}

func testListEmpty(t *testing.T, s store.Store) {
	for _, prefix := range []string{"", "x", "x/"} {
		page, err := s.List(t.Context(), prefix, "/", "", 0)
		if err != nil || len(page.Objects)+len(page.Prefixes) != 0 || page.Next != "" {
			t.Errorf("list %q: %+v, %v", prefix, page, err)
		}
	}
	put(t, s, "a/b/c", nil)
	if err := s.Delete(t.Context(), "a/b/c", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if objects, prefixes, _ := walk(t, s, "", "/", 0); len(objects)+len(prefixes) != 0 {
		t.Errorf("the directories of a deleted object are listed: %q", prefixes)
	}
}

// testDirectoryMarkers: keys that end in a slash are empty objects like others.
func testDirectoryMarkers(t *testing.T, s store.Store) {
	attr := store.Attributes{Metadata: map[string]string{"mode": "0755"}}
	want := putAttr(t, s, "dir/", nil, attr)
	put(t, s, "dir/file", []byte("x"))
	wantSame(t, head(t, s, "dir/"), want)
	_, err := s.Head(t.Context(), "dir")
	wantErr(t, err, store.ErrNotExist)
	objects, prefixes, _ := walk(t, s, "dir/", "/", 0)
	if !slices.Equal(keysOf(objects), []string{"dir/", "dir/file"}) || len(prefixes) != 0 {
		t.Errorf("listed %q, %q", keysOf(objects), prefixes)
	}
	objects, prefixes, _ = walk(t, s, "", "/", 0)
	if len(objects) != 0 || !slices.Equal(prefixes, []string{"dir/"}) {
		t.Errorf("folded: %q, %q", keysOf(objects), prefixes)
	}
	if _, err := s.Put(t.Context(), "dir/", BodyOf(nil), attr, store.Condition{IfNone: true}); err == nil {
		t.Error("a second creation of the marker succeeded")
	} else {
		wantErr(t, err, store.ErrPrecondition)
	}
	for _, key := range []string{"dir/file", "dir/"} {
		if err := s.Delete(t.Context(), key, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	if left := mustList(t, s); len(left) != 0 {
		t.Errorf("left: %q", keysOf(left))
	}
}
