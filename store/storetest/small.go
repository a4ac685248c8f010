package storetest

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"mcfs/store"
)

// small is a store that takes parts of any size. Uploads, parts, conditions and
// objects are the store's own; only Complete puts the parts together by itself.
type small struct {
	store.Store
	mu    sync.Mutex
	attrs map[string]store.Attributes
	parts map[string]map[int][]byte
}

// SmallParts is s, but for parts of any size: a real store wants 5 MiB, with
// which tests of many parts would be slow.
func SmallParts(s store.Store) store.Store {
	return &small{Store: s, attrs: map[string]store.Attributes{}, parts: map[string]map[int][]byte{}}
}

func (s *small) Begin(ctx context.Context, key string, a store.Attributes) (store.Upload, error) {
	up, err := s.Store.Begin(ctx, key, a)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.attrs[up.ID], s.parts[up.ID] = a, map[int][]byte{}
	}
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
		if s.parts[up.ID] != nil {
			s.parts[up.ID][number] = data
		}
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
	body := store.Body{ReadSeeker: bytes.NewReader(object), Size: int64(len(object)), CRC32C: crc32.Checksum(object, crc32.MakeTable(crc32.Castagnoli))}
	if err := store.Ended(ctx); err != nil {
		return store.Info{}, err
	}
	ctx = context.WithoutCancel(ctx) // Complete is one step
	info, err := s.Put(ctx, up.Key, body, s.attrs[up.ID], c)
	if err != nil {
		return store.Info{}, err
	}
	delete(s.attrs, up.ID)
	delete(s.parts, up.ID)
	return info, s.Abort(ctx, up)
}
