// Package storetest is the conformance suite of stores: each sentence of the
// contract in package store is a test here, and every implementation runs all
// of them, against the real thing. It imports store only.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mcfs/store"
)

// Run runs the suite. newStore gives an empty store; it is called once per test.
func Run(t *testing.T, newStore func(t *testing.T) store.Store) {
	run(t, newStore, []test{
		{"PutGetHead", testPutGetHead},
		{"PutReplaces", testPutReplaces},
		{"EmptyObject", testEmptyObject},
		{"MissingObject", testMissingObject},
		{"BadArguments", testBadArguments},
		{"BadBodies", testBadBodies},
		{"Ranges", testRanges},
		{"PinnedGet", testPinnedGet},
		{"OldVersionStaysReadable", testOldVersionStaysReadable},
		{"Metadata", testMetadata},
		{"Delete", testDelete},
		{"PutConditions", testPutConditions},
		{"RaceOfCreations", testRaceOfCreations},
		{"RaceOfReplacements", testRaceOfReplacements},
		{"Multipart", testMultipart},
		{"PartReplaced", testPartReplaced},
		{"CompleteConditions", testCompleteConditions},
		{"RaceOfCompletions", testRaceOfCompletions},
		{"CompleteRefusals", testCompleteRefusals},
		{"Abort", testAbort},
		{"Uploads", testUploads},
		{"Now", testNow},
		{"Names", testNames},
		{"LongestKeys", testLongestKeys},
		{"Order", testOrder},
		{"ListPages", testListPages},
		{"ListPrefixes", testListPrefixes},
		{"ListEmpty", testListEmpty},
		{"DirectoryMarkers", testDirectoryMarkers},
		{"Copy", testCopy},
		{"CopyConditions", testCopyConditions},
		{"CopyEmpty", testCopyEmpty},
		{"CopyOntoItself", testCopyOntoItself},
		{"CopyByParts", testCopyByParts},
		{"EndedContext", testEndedContext},
		{"Concurrent", testConcurrent},
		{"Check", testCheck},
	})
}

// RunCopies runs what the suite has of copies, for a store that makes them another way.
func RunCopies(t *testing.T, newStore func(t *testing.T) store.Store) {
	run(t, newStore, []test{
		{"Copy", testCopy},
		{"CopyConditions", testCopyConditions},
		{"CopyEmpty", testCopyEmpty},
		{"CopyOntoItself", testCopyOntoItself},
		{"CopyByParts", testCopyByParts},
	})
}

type test struct {
	name string
	run  func(*testing.T, store.Store)
}

func run(t *testing.T, newStore func(t *testing.T) store.Store, tests []test) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, newStore(t)) })
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// BodyOf is the body of some bytes, with their checksum.
func BodyOf(p []byte) store.Body {
	return store.Body{ReadSeeker: bytes.NewReader(p), Size: int64(len(p)), CRC32C: crc32.Checksum(p, castagnoli)}
}

// Random is n bytes that a seed determines.
func Random(n int, seed uint64) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	p := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(p)
	return p
}

func put(t *testing.T, s store.Store, key string, p []byte) store.Info {
	t.Helper()
	return putAttr(t, s, key, p, store.Attributes{})
}

func putAttr(t *testing.T, s store.Store, key string, p []byte, attr store.Attributes) store.Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, BodyOf(p), attr, store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func get(t *testing.T, s store.Store, key string, r store.Range, ifMatch string) ([]byte, store.Info) {
	t.Helper()
	body, info, err := s.Get(t.Context(), key, r, ifMatch)
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, body), info
}

func readAll(t *testing.T, body io.ReadCloser) []byte {
	t.Helper()
	p, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	return p
}

func head(t *testing.T, s store.Store, key string) store.Info {
	t.Helper()
	info, err := s.Head(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func wantBytes(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes, want %d, or other ones", len(got), len(want))
	}
}

// wantSame compares what two calls say of one object. Times may differ a
// little: a write tells the clock of its answer.
func wantSame(t *testing.T, got, want store.Info) {
	t.Helper()
	if d := got.Modified.Sub(want.Modified).Abs(); d > 5*time.Second {
		t.Errorf("%s: modified %v, want about %v", got.Key, got.Modified, want.Modified)
	}
	got.Modified, want.Modified = time.Time{}, time.Time{}
	got.Answered, want.Answered = time.Time{}, time.Time{}
	if len(got.Metadata) == 0 && len(want.Metadata) == 0 {
		got.Metadata, want.Metadata = nil, nil
	}
	if want.ContentType == "" { // a server may have a default of its own
		got.ContentType = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
}

// walk lists all, page by page.
func walk(t *testing.T, s store.Store, prefix, delimiter string, limit int) (objects []store.Info, prefixes []string, pages int) {
	t.Helper()
	token := ""
	for {
		page, err := s.List(t.Context(), prefix, delimiter, token, limit)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(page.Objects) + len(page.Prefixes); limit > 0 && n > limit {
			t.Fatalf("a page of %d, at most %d were asked for", n, limit)
		}
		objects, prefixes, pages = append(objects, page.Objects...), append(prefixes, page.Prefixes...), pages+1
		if token = page.Next; token == "" {
			return objects, prefixes, pages
		}
	}
}

func keysOf(objects []store.Info) []string {
	keys := make([]string, 0, len(objects))
	for _, o := range objects {
		keys = append(keys, o.Key)
	}
	return keys
}

// pausing is a body that calls back at its first read.
type pausing struct {
	io.ReadSeeker
	at func()
}

func (p *pausing) Read(b []byte) (int, error) {
	p.at()
	return p.ReadSeeker.Read(b)
}

func testCheck(t *testing.T, s store.Store) {
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// testEndedContext: every call ends soon after its context, with its error.
func testEndedContext(t *testing.T, s store.Store) {
	info := put(t, s, "k", []byte("v"))
	up, err := s.Begin(t.Context(), "u", store.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func(context.Context) error{
		"put": func(ctx context.Context) error {
			_, err := s.Put(ctx, "new", BodyOf([]byte("x")), store.Attributes{}, store.Condition{})
			return err
		},
		"get":    func(ctx context.Context) error { _, _, err := s.Get(ctx, "k", store.Range{}, ""); return err },
		"head":   func(ctx context.Context) error { _, err := s.Head(ctx, "k"); return err },
		"list":   func(ctx context.Context) error { _, err := s.List(ctx, "", "", "", 0); return err },
		"delete": func(ctx context.Context) error { return s.Delete(ctx, "k", store.Condition{}) },
		"begin":  func(ctx context.Context) error { _, err := s.Begin(ctx, "b", store.Attributes{}); return err },
		"put part": func(ctx context.Context) error {
			_, err := s.PutPart(ctx, up, 1, BodyOf([]byte("x")))
			return err
		},
		"complete": func(ctx context.Context) error {
			_, err := s.Complete(ctx, up, []store.Part{{Number: 1, ETag: "e"}}, store.Condition{})
			return err
		},
		"abort":   func(ctx context.Context) error { return s.Abort(ctx, up) },
		"uploads": func(ctx context.Context) error { _, err := s.Uploads(ctx, ""); return err },
		"parts":   func(ctx context.Context) error { _, err := s.Parts(ctx, up); return err },
		"copy": func(ctx context.Context) error {
			_, err := s.Copy(ctx, store.Copy{Source: "k", SourceIfMatch: info.ETag, Target: "c", Size: 1})
			return err
		},
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for name, call := range calls {
		err := call(cancelled)
		if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
		err = call(expired)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s, deadline passed: %v", name, err)
		}
	}
	if keys := keysOf(mustList(t, s)); len(keys) != 1 || keys[0] != "k" {
		t.Errorf("calls that ended left %q", keys)
	}
	testEndedBody(t, s)
}

// testEndedBody: bodies belong to the context, in both directions.
func testEndedBody(t *testing.T, s store.Store) {
	big := Random(8<<20, 1)
	put(t, s, "big", big)
	ctx, cancel := context.WithCancel(t.Context())
	body, _, err := s.Get(ctx, "big", store.Range{}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, body); !errors.Is(err, context.Canceled) {
		t.Errorf("reading on after the context ended: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	b := BodyOf(big)
	b.ReadSeeker = &pausing{b.ReadSeeker, cancel}
	if _, err := s.Put(ctx, "cut", b, store.Attributes{}, store.Condition{}); !errors.Is(err, context.Canceled) {
		t.Errorf("put that was cancelled midway: %v", err)
	}
	_, err = s.Head(t.Context(), "cut")
	wantErr(t, err, store.ErrNotExist)
}

func mustList(t *testing.T, s store.Store) []store.Info {
	t.Helper()
	objects, _, _ := walk(t, s, "", "", 0)
	return objects
}
