package dir

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"mcfs/store"
)

// Parts lists what an unfinished upload has.
func (s *Store) Parts(ctx context.Context, up store.Upload) ([]store.Part, error) {
	if err := s.start(ctx, "list parts of", up.Key, store.Attributes{}, store.Condition{}); err != nil {
		return nil, err
	}
	parts, err := s.parts(up)
	return parts, failure("list parts of", up.Key, err)
}

func (s *Store) parts(up store.Upload) ([]store.Part, error) {
	if _, err := s.upload(up); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.hidden("uploads", up.ID)) // sorted: numbers have five digits
	if absent(err) {
		return nil, s.noUpload()
	}
	if err != nil {
		return nil, err
	}
	var all []store.Part
	for _, e := range entries {
		number, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		f, part, err := s.openPart(up.ID, number)
		if absent(err) {
			return nil, s.noUpload()
		}
		if err != nil {
			return nil, err
		}
		_ = f.Close()
		all = append(all, part)
	}
	return all, nil
}

// Uploads lists unfinished uploads, in the order of their keys and times.
func (s *Store) Uploads(ctx context.Context, prefix string) ([]store.Upload, error) {
	if err := store.Ended(ctx); err != nil {
		return nil, fmt.Errorf("list uploads: %w", err)
	}
	entries, err := os.ReadDir(s.hidden("uploads"))
	if err != nil {
		return nil, failure("list uploads of", prefix, s.lost(err))
	}
	var all []store.Upload
	for _, e := range entries {
		p, err := os.ReadFile(s.hidden("uploads", e.Name(), uploadFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile
		}
		var m uploadMeta
		if err = cmp.Or(err, json.Unmarshal(p, &m)); err != nil {
			return nil, failure("list uploads of", prefix, err)
		}
		if strings.HasPrefix(m.Key, prefix) {
			all = append(all, store.Upload{Key: m.Key, ID: e.Name(), Initiated: m.Initiated})
		}
	}
	slices.SortFunc(all, func(a, b store.Upload) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), a.Initiated.Compare(b.Initiated))
	})
	return all, nil
}
