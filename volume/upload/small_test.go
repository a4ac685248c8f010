package upload

import (
	"testing"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/store/dir"
)

// realStore is a dir store that ends with the test.
func realStore(t testing.TB) store.Store { return dirStore(t, 0) }

// smallStore is one that takes parts of any size.
func smallStore(t testing.TB) store.Store { return dirStore(t, 1) }

func dirStore(t testing.TB, part int64) store.Store {
	t.Helper()
	s, err := dir.New(dir.Options{Path: t.TempDir(), MinPart: part})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Parts as large as S3 wants them, with nothing between the engine and the store.
func TestRealParts(t *testing.T) {
	const part = 5 << 20
	for _, m := range []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM} {
		t.Run(m.String(), func(t *testing.T) {
			s := newSpy(t, realStore(t))
			e := testEngine(t, s, func(c *Config) { c.PartSize, c.Memory = part, 0 })
			d := &draft{data: randomBytes(4*part + 4321)}
			key := dataKey()
			u, err := e.Start(Target{Key: "a/b.mp4"}, key, m, freshIV(t, m, m.DefaultIVSize()), d)
			if err != nil {
				t.Fatal(err)
			}
			u.Advance(int64(len(d.data)))
			view := d.whole()
			defer view.Release()
			r, err := u.Finish(t.Context(), view, int64(len(d.data)), Last{Condition: store.Condition{IfNone: true}})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, fetched(t, s, "a/b.mp4", key, r), d.data)
			if r.Requests != 5+2 {
				t.Errorf("%d requests", r.Requests)
			}
			noUploads(t, s)
		})
	}
}
