package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"mcfs/store"
)

func testPutGetHead(t *testing.T, s store.Store) {
	content := Random(100_000, 1)
	attr := store.Attributes{ContentType: "video/mp4", Metadata: map[string]string{"mcfs": "1", "mcfs-iv": "AAAA+/=="}}
	info := putAttr(t, s, "dir/name.mp4", content, attr)
	if info.Key != "dir/name.mp4" || info.Size != int64(len(content)) || len(info.ETag) < 3 || info.Modified.IsZero() {
		t.Errorf("put told %+v", info)
	}
	got, gotInfo := get(t, s, "dir/name.mp4", store.Range{}, "")
	wantBytes(t, got, content)
	wantSame(t, gotInfo, info)
	wantSame(t, head(t, s, "dir/name.mp4"), info)
	listed := mustList(t, s)
	if len(listed) != 1 {
		t.Fatalf("listed %d objects", len(listed))
	}
	info.ContentType, info.Metadata = "", nil
	wantSame(t, listed[0], info)
}

func testPutReplaces(t *testing.T, s store.Store) {
	seen := map[string]bool{}
	for i := range 5 {
		content := Random(1000, uint64(i))
		info := putAttr(t, s, "k", content, store.Attributes{Metadata: map[string]string{"n": fmt.Sprint(i)}})
		if seen[info.ETag] {
			t.Errorf("ETag %s names two versions", info.ETag)
		}
		seen[info.ETag] = true
		got, gotInfo := get(t, s, "k", store.Range{}, info.ETag)
		wantBytes(t, got, content)
		wantSame(t, gotInfo, info)
	}
	putAttr(t, s, "k", []byte("plain"), store.Attributes{})
	if info := head(t, s, "k"); len(info.Metadata) != 0 {
		t.Errorf("metadata of the version before: %v", info.Metadata)
	}
}

func testEmptyObject(t *testing.T, s store.Store) {
	info := putAttr(t, s, "empty", nil, store.Attributes{Metadata: map[string]string{"a": "b"}})
	for _, r := range []store.Range{{}, {Length: 10}, {Offset: 5}, {Offset: 5, Length: 1}} {
		got, gotInfo := get(t, s, "empty", r, info.ETag)
		wantBytes(t, got, nil)
		wantSame(t, gotInfo, info)
	}
}

func testMissingObject(t *testing.T, s store.Store) {
	put(t, s, "there/x", nil)
	for _, key := range []string{"missing", "there", "there/", "there/y", "not/there", strings.Repeat("long", 50)} {
		_, err := s.Head(t.Context(), key)
		wantErr(t, err, store.ErrNotExist)
		_, _, err = s.Get(t.Context(), key, store.Range{}, "")
		wantErr(t, err, store.ErrNotExist)
		_, err = s.Copy(t.Context(), store.Copy{Source: key, SourceIfMatch: `"e"`, Target: "t", Size: 1})
		if !errors.Is(err, store.ErrNotExist) && !errors.Is(err, store.ErrPrecondition) {
			t.Errorf("copy of %q: %v", key, err)
		}
		// A server on a file system refuses to delete the missing marker of a directory that is not empty.
		if err := s.Delete(t.Context(), key, store.Condition{}); err != nil && key != "there/" {
			t.Error(err)
		}
	}
	if keys := keysOf(mustList(t, s)); len(keys) != 1 || keys[0] != "there/x" {
		t.Errorf("left: %q", keys)
	}
}

func testBadArguments(t *testing.T, s store.Store) {
	ctx := t.Context()
	for _, key := range []string{"", "\xff\xfe", strings.Repeat("k/", 600)} {
		if _, err := s.Put(ctx, key, BodyOf(nil), store.Attributes{}, store.Condition{}); err == nil {
			t.Errorf("put of key %.20q succeeded", key)
		}
		if _, err := s.Head(ctx, key); err == nil {
			t.Errorf("head of key %.20q succeeded", key)
		}
	}
	for _, attr := range []store.Attributes{
		{Metadata: map[string]string{"a": "ä"}}, {Metadata: map[string]string{"a": "x\ny"}},
		{Metadata: map[string]string{"a": " x"}}, {Metadata: map[string]string{"A": "x"}},
		{Metadata: map[string]string{"a": ""}}, {Metadata: map[string]string{"a b": "x"}},
		{Metadata: map[string]string{"a": strings.Repeat("x", store.MaxMetadata)}}, {ContentType: "a\nb"},
	} {
		if _, err := s.Put(ctx, "k", BodyOf(nil), attr, store.Condition{}); err == nil {
			t.Errorf("put with %v succeeded", attr)
		}
		if _, err := s.Begin(ctx, "k", attr); err == nil {
			t.Errorf("begin with %v succeeded", attr)
		}
	}
	if _, err := s.Put(ctx, "k", BodyOf(nil), store.Attributes{}, store.Condition{IfMatch: "e", IfNone: true}); err == nil {
		t.Error("put with two conditions succeeded")
	}
	if err := s.Delete(ctx, "k", store.Condition{IfNone: true}); err == nil {
		t.Error("delete if absent succeeded")
	}
	if _, _, err := s.Get(ctx, "k", store.Range{Offset: -1}, ""); err == nil || errors.Is(err, store.ErrNotExist) {
		t.Errorf("get at -1: %v", err)
	}
	if n := len(mustList(t, s)); n != 0 {
		t.Errorf("%d objects came of it", n)
	}
}

// testBadBodies: exactly Size bytes are read, from the start, and what does
// not match its checksum is refused.
func testBadBodies(t *testing.T, s store.Store) {
	ctx, content := t.Context(), Random(70_000, 1)
	short := BodyOf(content)
	short.Size++
	if _, err := s.Put(ctx, "short", short, store.Attributes{}, store.Condition{}); err == nil || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("body shorter than it says: %v", err)
	}
	corrupt := BodyOf(content)
	corrupt.CRC32C ^= 1
	_, err := s.Put(ctx, "corrupt", corrupt, store.Attributes{}, store.Condition{})
	wantErr(t, err, store.ErrChecksum)
	if n := len(mustList(t, s)); n != 0 {
		t.Errorf("%d objects came of it: %q", n, keysOf(mustList(t, s)))
	}
	long := BodyOf(content[:50_000])
	long.ReadSeeker = bytes.NewReader(content)
	if _, err := long.Seek(1234, io.SeekStart); err != nil { // wherever it stands
		t.Fatal(err)
	}
	if _, err := s.Put(ctx, "long", long, store.Attributes{}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	got, _ := get(t, s, "long", store.Range{}, "")
	wantBytes(t, got, content[:50_000])
}

func testRanges(t *testing.T, s store.Store) {
	content := Random(300_001, 1)
	n := int64(len(content))
	info := putAttr(t, s, "k", content, store.Attributes{Metadata: map[string]string{"a": "b"}})
	for _, span := range [][2]int64{
		{0, 1}, {0, n}, {0, n + 100}, {1, 1}, {1, 0}, {n - 1, 1}, {n - 1, 0}, {n - 1, 100}, {65_535, 65_537},
		{n, 0}, {n, 1}, {n + 1, 0}, {n + 1000, 1000},
	} {
		r := store.Range{Offset: span[0], Length: span[1]}
		from := min(r.Offset, n)
		to := n
		if r.Length > 0 {
			to = min(r.Offset+r.Length, n)
		}
		got, gotInfo := get(t, s, "k", r, info.ETag)
		if want := content[from:max(from, to)]; !bytes.Equal(got, want) {
			t.Errorf("range %+v: %d bytes, want %d, or other ones", r, len(got), len(want))
		}
		wantSame(t, gotInfo, info)
	}
}

func testPinnedGet(t *testing.T, s store.Store) {
	old := put(t, s, "k", Random(1000, 1))
	now := put(t, s, "k", Random(1000, 2))
	for _, r := range []store.Range{{}, {Offset: 10, Length: 10}, {Offset: 5000}} {
		_, _, err := s.Get(t.Context(), "k", r, old.ETag)
		wantErr(t, err, store.ErrPrecondition)
	}
	got, _ := get(t, s, "k", store.Range{Offset: 10, Length: 10}, now.ETag)
	wantBytes(t, got, Random(1000, 2)[10:20])
}

// testOldVersionStaysReadable: a body that is open gives one version to its
// end, or an error, never a mixture.
func testOldVersionStaysReadable(t *testing.T, s store.Store) {
	v1, v2 := Random(4<<20, 1), Random(4<<20, 2)
	info := put(t, s, "k", v1)
	body, _, err := s.Get(t.Context(), "k", store.Range{}, info.ETag)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	first := make([]byte, 100_000)
	if _, err := io.ReadFull(body, first); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", v2)
	rest, err := io.ReadAll(body)
	if got := append(first, rest...); !bytes.HasPrefix(v1, got) || (err == nil && len(got) != len(v1)) {
		t.Fatalf("%d bytes that are not the version's, error %v", len(got), err)
	}
}

func testMetadata(t *testing.T, s store.Store) {
	for name, v := range map[string]string{
		"base64": "QUJDRA+/==", "json": `{"a": ["b", 1]}`, "punctuation": `!"#$%&'()*+,-./:;<=>?@[\]^_{|}~`,
		"percent": "%41%00%", "inner space": "a b c", "comma": "a,b, c", "long": strings.Repeat("0123456789", 150),
	} {
		t.Run(name, func(t *testing.T) {
			meta := map[string]string{"mcfs-value": v, "x": "1", "under_score": "2", "mtime": "1700000000.123456789"}
			want := putAttr(t, s, "k", []byte("x"), store.Attributes{ContentType: "application/json", Metadata: meta})
			wantSame(t, head(t, s, "k"), want)
			up, err := s.Begin(t.Context(), "m", store.Attributes{ContentType: "application/json", Metadata: meta})
			if err != nil {
				t.Fatal(err)
			}
			completed := completeAll(t, s, up, []byte("y"))
			completed.ContentType, completed.Metadata = "application/json", meta
			wantSame(t, head(t, s, "m"), completed)
		})
	}
}

func testDelete(t *testing.T, s store.Store) {
	ctx := t.Context()
	old := put(t, s, "d/k", []byte("one"))
	now := put(t, s, "d/k", []byte("two"))
	wantErr(t, s.Delete(ctx, "d/k", store.Condition{IfMatch: old.ETag}), store.ErrPrecondition)
	head(t, s, "d/k")
	if err := s.Delete(ctx, "d/k", store.Condition{IfMatch: now.ETag}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Head(ctx, "d/k")
	wantErr(t, err, store.ErrNotExist)
	for _, cond := range []store.Condition{{}, {IfMatch: now.ETag}} {
		if err := s.Delete(ctx, "d/k", cond); err != nil {
			t.Errorf("delete of what is gone: %v", err)
		}
	}
	// Where a directory was, a file may be, and the other way round.
	put(t, s, "d", []byte("file"))
	if err := s.Delete(ctx, "d", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	put(t, s, "d/k", []byte("three"))
	got, _ := get(t, s, "d/k", store.Range{}, "")
	wantBytes(t, got, []byte("three"))
}

// testConcurrent: calls of all kinds at once, on keys of their own and on one
// that all share.
func testConcurrent(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				if err := exercise(t.Context(), s, fmt.Sprintf("own/%d/%d", i, j), Random(10_000+i, uint64(j))); err != nil {
					t.Error(err)
				}
				if _, err := s.Put(t.Context(), "own/shared", BodyOf(Random(1000, uint64(i))), store.Attributes{}, store.Condition{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if keys := keysOf(mustList(t, s)); len(keys) != 1 || keys[0] != "own/shared" {
		t.Errorf("left: %q", keys)
	}
}

func exercise(ctx context.Context, s store.Store, key string, content []byte) error {
	info, err := s.Put(ctx, key, BodyOf(content), store.Attributes{}, store.Condition{IfNone: true})
	if err != nil {
		return err
	}
	body, _, err := s.Get(ctx, key, store.Range{Offset: 100}, info.ETag)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return err
	}
	if !bytes.Equal(got, content[100:]) {
		return fmt.Errorf("%s: wrong bytes", key)
	}
	if _, err := s.List(ctx, "own/", "/", "", 0); err != nil {
		return err
	}
	return s.Delete(ctx, key, store.Condition{IfMatch: info.ETag})
}
