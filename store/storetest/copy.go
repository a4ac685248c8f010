package storetest

import (
	"errors"
	"sync/atomic"
	"testing"

	"mcfs/store"
)

func testCopy(t *testing.T, s store.Store) {
	ctx, content := t.Context(), Random(200_000, 1)
	source := putAttr(t, s, "a/source", content, store.Attributes{ContentType: "video/mp4", Metadata: map[string]string{"old": "1", "both": "1"}})
	attr := store.Attributes{ContentType: "text/plain", Metadata: map[string]string{"new": "2", "both": "2"}}
	put(t, s, "b/target", []byte("before"))
	info, err := s.Copy(ctx, store.Copy{Source: "a/source", SourceIfMatch: source.ETag, Target: "b/target", Size: source.Size, Attributes: attr})
	if err != nil {
		t.Fatal(err)
	}
	got, gotInfo := get(t, s, "b/target", store.Range{}, info.ETag)
	wantBytes(t, got, content)
	wantSame(t, gotInfo, info)
	wantSame(t, gotInfo, store.Info{
		Key: "b/target", Size: source.Size, ETag: info.ETag, Modified: info.Modified,
		ContentType: attr.ContentType, Metadata: attr.Metadata,
	})
	wantSame(t, head(t, s, "a/source"), source)
	// The copy is a version of its own: it stays when the source goes.
	if err := s.Delete(ctx, "a/source", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	got, _ = get(t, s, "b/target", store.Range{}, "")
	wantBytes(t, got, content)

	now := put(t, s, "a/source", []byte("anew"))
	for _, cond := range []store.Condition{{}, {IfNone: true}} {
		_, err = s.Copy(ctx, store.Copy{Source: "a/source", SourceIfMatch: source.ETag, Target: "c", Size: source.Size, Condition: cond})
		wantErr(t, err, store.ErrPrecondition)
	}
	if _, err = s.Copy(ctx, store.Copy{Source: "a/source", Target: "c", Size: now.Size}); err == nil {
		t.Error("a copy of an unpinned source succeeded")
	}
	_, err = s.Head(ctx, "c")
	wantErr(t, err, store.ErrNotExist)
}

func testCopyConditions(t *testing.T, s store.Store) {
	ctx := t.Context()
	attr := store.Attributes{ContentType: "text/plain", Metadata: map[string]string{"copied": "yes"}}
	one, two := Random(5000, 1), Random(6000, 2)
	sources := []store.Info{put(t, s, "one", one), put(t, s, "two", two)}
	copyOf := func(i int, cond store.Condition) (store.Info, error) {
		return s.Copy(ctx, store.Copy{
			Source: sources[i].Key, SourceIfMatch: sources[i].ETag, Target: "target", Size: sources[i].Size,
			Attributes: attr, Condition: cond,
		})
	}
	_, err := copyOf(0, store.Condition{IfMatch: `"none"`})
	wantErr(t, err, store.ErrPrecondition)
	first, err := copyOf(0, store.Condition{IfNone: true})
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, head(t, s, "target"), first)
	wantSame(t, first, store.Info{Key: "target", Size: 5000, ETag: first.ETag, Modified: first.Modified, ContentType: attr.ContentType, Metadata: attr.Metadata})
	_, err = copyOf(1, store.Condition{IfNone: true})
	wantErr(t, err, store.ErrPrecondition)
	got, _ := get(t, s, "target", store.Range{}, "")
	wantBytes(t, got, one)
	second, err := copyOf(1, store.Condition{IfMatch: first.ETag})
	if err != nil {
		t.Fatal(err)
	}
	_, err = copyOf(0, store.Condition{IfMatch: first.ETag})
	wantErr(t, err, store.ErrPrecondition)
	got, _ = get(t, s, "target", store.Range{}, second.ETag)
	wantBytes(t, got, two)
	ups, err := s.Uploads(ctx, "")
	if err != nil || len(ups) != 0 {
		t.Errorf("copies left uploads: %v, %v", ups, err)
	}
}

func testCopyEmpty(t *testing.T, s store.Store) {
	ctx := t.Context()
	source := put(t, s, "empty", nil)
	attr := store.Attributes{ContentType: "text/plain", Metadata: map[string]string{"a": "b"}}
	for i, cond := range []store.Condition{{}, {IfNone: true}} {
		target := []string{"t0", "t1"}[i]
		c := store.Copy{Source: "empty", SourceIfMatch: source.ETag, Target: target, Attributes: attr, Condition: cond}
		info, err := s.Copy(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, head(t, s, target), info)
		if info.Size != 0 || info.Metadata["a"] != "b" {
			t.Errorf("copy told %+v", info)
		}
		c.Condition = store.Condition{IfNone: true}
		_, err = s.Copy(ctx, c)
		wantErr(t, err, store.ErrPrecondition)
	}
}

// testCopyOntoItself replaces the attributes of an object.
func testCopyOntoItself(t *testing.T, s store.Store) {
	content := Random(5000, 1)
	source := putAttr(t, s, "k", content, store.Attributes{Metadata: map[string]string{"n": "1"}})
	info, err := s.Copy(t.Context(), store.Copy{
		Source: "k", SourceIfMatch: source.ETag, Target: "k", Size: source.Size,
		Attributes: store.Attributes{Metadata: map[string]string{"n": "2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, gotInfo := get(t, s, "k", store.Range{}, info.ETag)
	wantBytes(t, got, content)
	if gotInfo.Metadata["n"] != "2" {
		t.Errorf("metadata %v", gotInfo.Metadata)
	}
}

// testCopyByParts: whoever copies knows of the upload that it takes before any
// part leaves, if it takes one, and can refuse it; none is left either way.
func testCopyByParts(t *testing.T, s store.Store) {
	ctx := t.Context()
	source := put(t, s, "source", Random(70_000, 1))
	none := func() {
		t.Helper()
		if ups, err := s.Uploads(ctx, ""); err != nil || len(ups) != 0 {
			t.Errorf("uploads %v, %v", ups, err)
		}
	}
	var begun store.Upload
	var moved atomic.Int64
	c := store.Copy{
		Source: "source", SourceIfMatch: source.ETag, Target: "target", Size: source.Size, Condition: store.Condition{IfNone: true},
		Begun: func(up store.Upload) error { begun = up; return nil },
		Moved: func(n int64) { moved.Add(n) },
	}
	if _, err := s.Copy(ctx, c); err != nil {
		t.Fatal(err)
	}
	none()
	if begun.ID == "" {
		return // this store copies in one step
	}
	if begun.Key != "target" || moved.Load() != source.Size {
		t.Errorf("begun %+v, %d bytes moved", begun, moved.Load())
	}
	refused := errors.New("refused")
	c.Target, c.Begun = "other", func(store.Upload) error { return refused }
	if _, err := s.Copy(ctx, c); !errors.Is(err, refused) {
		t.Errorf("copy: %v", err)
	}
	none()
	_, err := s.Head(ctx, "other")
	wantErr(t, err, store.ErrNotExist)
}
