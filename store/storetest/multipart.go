package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mcfs/store"
)

// completeAll uploads content as one part and completes.
func completeAll(t *testing.T, s store.Store, up store.Upload, content []byte) store.Info {
	t.Helper()
	part, err := s.PutPart(t.Context(), up, 1, BodyOf(content))
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Complete(t.Context(), up, []store.Part{part}, store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func begin(t *testing.T, s store.Store, key string) store.Upload {
	t.Helper()
	up, err := s.Begin(t.Context(), key, store.Attributes{Metadata: map[string]string{"begun": "yes"}})
	if err != nil {
		t.Fatal(err)
	}
	if up.Key != key || up.ID == "" {
		t.Fatalf("begin told %+v", up)
	}
	return up
}

// testMultipart: parts in shuffled order and at once, nothing visible before
// the end.
func testMultipart(t *testing.T, s store.Store) {
	ctx := t.Context()
	content := Random(3*store.MinPart+12_345, 1)
	up := begin(t, s, "dir/movie")
	parts := make([]store.Part, 4)
	errs := make(chan error)
	for _, i := range []int{2, 0, 3, 1} {
		go func() {
			piece := content[i*store.MinPart : min((i+1)*store.MinPart, len(content))]
			p, err := s.PutPart(ctx, up, i+1, BodyOf(piece))
			if err == nil && (p.Number != i+1 || p.Size != int64(len(piece)) || p.CRC32C != BodyOf(piece).CRC32C || p.ETag == "") {
				err = errors.New("put part told nonsense")
			}
			parts[i] = p
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Head(ctx, "dir/movie")
	wantErr(t, err, store.ErrNotExist)
	if n := len(mustList(t, s)); n != 0 {
		t.Errorf("%d objects are visible before the end", n)
	}
	listed, err := s.Parts(ctx, up)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parts, listed); diff != "" {
		t.Errorf("parts (-put +listed):\n%s", diff)
	}
	info, err := s.Complete(ctx, up, parts, store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	got, gotInfo := get(t, s, "dir/movie", store.Range{}, info.ETag)
	wantBytes(t, got, content)
	if gotInfo.Size != int64(len(content)) || info.Size != gotInfo.Size || gotInfo.Metadata["begun"] != "yes" {
		t.Errorf("complete told %+v, get %+v", info, gotInfo)
	}
	if listed := mustList(t, s); len(listed) != 1 || listed[0].ETag != info.ETag {
		t.Errorf("listed %+v", listed)
	}
	across, _ := get(t, s, "dir/movie", store.Range{Offset: store.MinPart - 100, Length: 200}, info.ETag)
	wantBytes(t, across, content[store.MinPart-100:store.MinPart+100])
	_, err = s.Parts(ctx, up)
	wantErr(t, err, store.ErrNoUpload)
}

func testPartReplaced(t *testing.T, s store.Store) {
	up := begin(t, s, "k")
	for seed := range uint64(2) {
		if _, err := s.PutPart(t.Context(), up, 1, BodyOf(Random(1000, seed))); err != nil {
			t.Fatal(err)
		}
	}
	parts, err := s.Parts(t.Context(), up)
	if err != nil || len(parts) != 1 {
		t.Fatalf("parts %v, %v", parts, err)
	}
	corrupt := BodyOf(Random(1000, 9))
	corrupt.CRC32C++
	_, err = s.PutPart(t.Context(), up, 1, corrupt)
	wantErr(t, err, store.ErrChecksum)
	if _, err := s.Complete(t.Context(), up, parts, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	got, _ := get(t, s, "k", store.Range{}, "")
	wantBytes(t, got, Random(1000, 1))
}

func testCompleteConditions(t *testing.T, s store.Store) {
	ctx := t.Context()
	try := func(up store.Upload, cond store.Condition) (store.Info, error) {
		parts, err := s.Parts(ctx, up)
		if err != nil {
			t.Fatal(err)
		}
		return s.Complete(ctx, up, parts, cond)
	}
	start := func(content string) store.Upload {
		up := begin(t, s, "k")
		if _, err := s.PutPart(ctx, up, 1, BodyOf([]byte(content))); err != nil {
			t.Fatal(err)
		}
		return up
	}
	up := start("one")
	_, err := try(up, store.Condition{IfMatch: `"none"`})
	wantErr(t, err, store.ErrPrecondition)
	first, err := try(up, store.Condition{IfNone: true}) // the upload survived the refusal
	if err != nil {
		t.Fatal(err)
	}
	up = start("two")
	_, err = try(up, store.Condition{IfNone: true})
	wantErr(t, err, store.ErrPrecondition)
	other := put(t, s, "k", []byte("other"))
	_, err = try(up, store.Condition{IfMatch: first.ETag})
	wantErr(t, err, store.ErrPrecondition)
	got, _ := get(t, s, "k", store.Range{}, other.ETag)
	wantBytes(t, got, []byte("other"))
	second, err := try(up, store.Condition{IfMatch: other.ETag})
	if err != nil {
		t.Fatal(err)
	}
	got, _ = get(t, s, "k", store.Range{}, second.ETag)
	wantBytes(t, got, []byte("two"))
}

func testCompleteRefusals(t *testing.T, s store.Store) {
	ctx := t.Context()
	up := begin(t, s, "k")
	small, err := s.PutPart(ctx, up, 1, BodyOf([]byte("small")))
	if err != nil {
		t.Fatal(err)
	}
	next, err := s.PutPart(ctx, up, 2, BodyOf([]byte("next")))
	if err != nil {
		t.Fatal(err)
	}
	wrong := small
	wrong.ETag = `"00000000000000000000000000000000"`
	for name, parts := range map[string][]store.Part{
		"no parts": nil, "descending": {next, small}, "twice": {small, small}, "too small": {small, next},
		"wrong ETag": {wrong}, "never sent": {{Number: 7, ETag: small.ETag, Size: 5, CRC32C: small.CRC32C}},
		"number 0": {{ETag: small.ETag}}, "number 10,001": {{Number: 10_001, ETag: small.ETag}},
	} {
		if _, err := s.Complete(ctx, up, parts, store.Condition{}); err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("complete with %s: %v", name, err)
		}
	}
	for _, n := range []int{-1, 0, 10_001} {
		if _, err := s.PutPart(ctx, up, n, BodyOf(nil)); err == nil {
			t.Errorf("part number %d was taken", n)
		}
	}
	_, err = s.Head(ctx, "k")
	wantErr(t, err, store.ErrNotExist)
	if _, err := s.Complete(ctx, up, []store.Part{next}, store.Condition{}); err != nil { // 1 is left out
		t.Fatal(err)
	}
	got, _ := get(t, s, "k", store.Range{}, "")
	wantBytes(t, got, []byte("next"))
	// A second Complete changes nothing: S3 may repeat its answer for a while.
	before := head(t, s, "k")
	if _, err = s.Complete(ctx, up, []store.Part{next}, store.Condition{}); err != nil {
		wantErr(t, err, store.ErrNoUpload)
	}
	wantSame(t, head(t, s, "k"), before)
}

func testAbort(t *testing.T, s store.Store) {
	ctx := t.Context()
	up := begin(t, s, "k")
	part, err := s.PutPart(ctx, up, 1, BodyOf([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Abort(ctx, up); err != nil {
			t.Fatal(err)
		}
	}
	_, err = s.PutPart(ctx, up, 2, BodyOf([]byte("x")))
	wantErr(t, err, store.ErrNoUpload)
	_, err = s.Parts(ctx, up)
	wantErr(t, err, store.ErrNoUpload)
	_, err = s.Complete(ctx, up, []store.Part{part}, store.Condition{})
	wantErr(t, err, store.ErrNoUpload)
	ups, err := s.Uploads(ctx, "")
	if err != nil || len(ups) != 0 {
		t.Errorf("uploads %v, %v", ups, err)
	}
	if n := len(mustList(t, s)); n != 0 {
		t.Errorf("%d objects came of it", n)
	}
}

func testUploads(t *testing.T, s store.Store) {
	want := []string{"a/one", "a/one", "a/sp ace+%41", "b"}
	for _, key := range want {
		begin(t, s, key)
	}
	for prefix, keys := range map[string][]string{"": want, "a/": want[:3], "a/o": want[:2], "b": want[3:], "x": {}} {
		ups, err := s.Uploads(t.Context(), prefix)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, u := range ups {
			got = append(got, u.Key)
			if u.Initiated.IsZero() {
				t.Errorf("%s: no time", u.Key)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(keys, got); diff != "" {
			t.Errorf("uploads below %q:\n%s", prefix, diff)
		}
		for _, u := range ups {
			if _, err := s.Parts(t.Context(), u); err != nil {
				t.Errorf("listed, but %v", err)
			}
		}
	}
}

// testNow: an upload is begun at a time that the store's clock has told just before.
func testNow(t *testing.T, s store.Store) {
	const apart = 3 * time.Second // dates are told to the second, and so are times of lists
	if _, err := s.Uploads(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	before := s.Now()
	begin(t, s, "a")
	after := s.Now()
	ups, err := s.Uploads(t.Context(), "a")
	if err != nil || len(ups) != 1 {
		t.Fatalf("%v, %v", ups, err)
	}
	if at := ups[0].Initiated; at.Before(before.From.Add(-apart)) || at.After(after.To.Add(apart)) {
		t.Errorf("begun at %v, which is not between %v and %v", at, before.From, after.To)
	}
}
