package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"mcfs/store"
)

func testPutConditions(t *testing.T, s store.Store) {
	ctx := t.Context()
	putIf := func(p string, cond store.Condition) (store.Info, error) {
		return s.Put(ctx, "k", BodyOf([]byte(p)), store.Attributes{}, cond)
	}
	_, err := putIf("zero", store.Condition{IfMatch: `"no-such-version"`})
	wantErr(t, err, store.ErrPrecondition)
	first, err := putIf("one", store.Condition{IfNone: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = putIf("two", store.Condition{IfNone: true})
	wantErr(t, err, store.ErrPrecondition)
	second, err := putIf("three", store.Condition{IfMatch: first.ETag})
	if err != nil {
		t.Fatal(err)
	}
	_, err = putIf("four", store.Condition{IfMatch: first.ETag})
	wantErr(t, err, store.ErrPrecondition)
	got, info := get(t, s, "k", store.Range{}, second.ETag)
	wantBytes(t, got, []byte("three"))
	wantSame(t, info, second)
	if err := s.Delete(ctx, "k", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	_, err = putIf("five", store.Condition{IfMatch: second.ETag})
	wantErr(t, err, store.ErrPrecondition)
	if _, err = putIf("six", store.Condition{IfNone: true}); err != nil {
		t.Fatal(err)
	}
}

// contest runs n writes under one condition at once: exactly one wins, the
// others learn that they lost, and the winner's bytes are there.
func contest(t *testing.T, s store.Store, key string, n int, write func(i int) (store.Info, error)) store.Info {
	t.Helper()
	infos, errs := make([]store.Info, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { infos[i], errs[i] = write(i) })
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("%d and %d both won", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrConflict):
			t.Fatal(err)
		}
	}
	if winner < 0 {
		t.Fatalf("nobody won: %v", errs[0])
	}
	got, info := get(t, s, key, store.Range{}, infos[winner].ETag)
	wantBytes(t, got, contestant(winner))
	if want := fmt.Sprint(winner); info.Metadata["who"] != want {
		t.Fatalf("bytes of %s with metadata of %q", want, info.Metadata["who"])
	}
	return infos[winner]
}

func contestant(i int) []byte { return Random(20_000, uint64(i)) }

func signed(i int) store.Attributes {
	return store.Attributes{Metadata: map[string]string{"who": fmt.Sprint(i)}}
}

func testRaceOfCreations(t *testing.T, s store.Store) {
	for round := range 10 {
		key := fmt.Sprintf("race/%d", round)
		contest(t, s, key, 8, func(i int) (store.Info, error) {
			return s.Put(t.Context(), key, BodyOf(contestant(i)), signed(i), store.Condition{IfNone: true})
		})
	}
}

func testRaceOfReplacements(t *testing.T, s store.Store) {
	info := put(t, s, "race", []byte("start"))
	for range 10 {
		info = contest(t, s, "race", 8, func(i int) (store.Info, error) {
			return s.Put(t.Context(), "race", BodyOf(contestant(i)), signed(i), store.Condition{IfMatch: info.ETag})
		})
		// A version of other bytes between, so that no round's ETag returns.
		info = put(t, s, "race", []byte("between"))
	}
}

func testRaceOfCompletions(t *testing.T, s store.Store) {
	for round := range 3 {
		key := fmt.Sprintf("race/%d", round)
		ups, parts := make([]store.Upload, 6), make([][]store.Part, 6)
		for i := range ups {
			var err error
			if ups[i], err = s.Begin(t.Context(), key, signed(i)); err != nil {
				t.Fatal(err)
			}
			p, err := s.PutPart(t.Context(), ups[i], 1, BodyOf(contestant(i)))
			if err != nil {
				t.Fatal(err)
			}
			parts[i] = []store.Part{p}
		}
		contest(t, s, key, len(ups), func(i int) (store.Info, error) {
			return s.Complete(t.Context(), ups[i], parts[i], store.Condition{IfNone: true})
		})
	}
}
