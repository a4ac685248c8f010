package upload

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"testing"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/store/dir"
)

// realStore is a dir store that ends with the test.
func realStore(t testing.TB) store.Store {
	t.Helper()
	s, err := dir.New(dir.Options{Path: t.TempDir()})
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

// small is a dir store that takes parts of any size: as S3, dir wants 5 MiB,
// with which tests of many parts would be slow. Uploads, parts, conditions and
// objects are dir's own; only Complete puts the parts together by itself.
type small struct {
	store.Store
	mu    sync.Mutex
	attrs map[string]store.Attributes
	parts map[string]map[int][]byte
}

func smallStore(t testing.TB) *small {
	t.Helper()
	return &small{Store: realStore(t), attrs: map[string]store.Attributes{}, parts: map[string]map[int][]byte{}}
}

func (s *small) Begin(ctx context.Context, key string, a store.Attributes) (store.Upload, error) {
	up, err := s.Store.Begin(ctx, key, a)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attrs[up.ID], s.parts[up.ID] = a, map[int][]byte{}
	return up, err
}

func (s *small) PutPart(ctx context.Context, up store.Upload, number int, b store.Body) (store.Part, error) {
	data, err := io.ReadAll(b)
	if err != nil {
		return store.Part{}, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	b.ReadSeeker = bytes.NewReader(data)
	p, err := s.Store.PutPart(ctx, up, number, b)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.parts[up.ID][number] = data
	}
	return p, err
}

func (s *small) Complete(ctx context.Context, up store.Upload, parts []store.Part, c store.Condition) (store.Info, error) {
	there, err := s.Parts(ctx, up)
	if err != nil {
		return store.Info{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var object []byte
	for k, p := range parts {
		if k >= len(there) || there[k].Number != p.Number || there[k].ETag != p.ETag || there[k].CRC32C != p.CRC32C || there[k].Size != p.Size {
			return store.Info{}, fmt.Errorf("complete with part %+v, of %+v", p, there)
		}
		object = append(object, s.parts[up.ID][p.Number]...)
	}
	body := store.Body{ReadSeeker: bytes.NewReader(object), Size: int64(len(object)), CRC32C: crc32.Checksum(object, castagnoli)}
	info, err := s.Put(ctx, up.Key, body, s.attrs[up.ID], c)
	if err != nil {
		return store.Info{}, err
	}
	return info, s.Abort(context.WithoutCancel(ctx), up) // Complete is one step
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
