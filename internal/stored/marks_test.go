package stored

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
	"testing"

	"mcfs/config"
	"mcfs/sidecar"
	"mcfs/store"
)

// interposed is a store of which the next mark meets what another program does.
type interposed struct {
	store.Store
	before func()
}

func (s *interposed) Put(ctx context.Context, key string, body store.Body, attr store.Attributes, cond store.Condition) (store.Info, error) {
	if do := s.before; do != nil {
		s.before = nil
		do()
	}
	return s.Store.Put(ctx, key, body, attr, cond)
}

// put puts a sidecar of a version with metadata, whatever stands there.
func put(t *testing.T, st store.Store, iv []byte, meta map[string]string) {
	t.Helper()
	text, err := sidecar.Settings{FileInput: home + "day/film.mov", Mode: "AES_CTR", Key: make([]byte, 184), IV: iv, Region: "us-west-2"}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	body := store.Body{ReadSeeker: bytes.NewReader(text), Size: int64(len(text)), CRC32C: crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli))}
	if _, err := st.Put(t.Context(), "day/film.mov.settings.json", body, store.Attributes{Metadata: meta}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
}

// TestMark: of a version one job is noted, whoever does it first, beside what else its settings
// state, and none of a version that is not there any more.
func TestMark(t *testing.T) {
	v := newVolume(t)
	const film = home + "day/film.mov"
	iv := make([]byte, 16)
	var etags []string
	list := func() {
		if err := v.EachSettings(t.Context(), home+"day", func(string) bool { return true }, func(address, etag string) bool {
			etags = append(etags, address+" "+etag)
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
	list()
	st, err := v.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &interposed{Store: st}
	v.st = s
	s.before = func() { put(t, st, iv, map[string]string{"mode": "33188", sidecar.KeySize: "1"}) } // a chmod comes between
	if noted, err := v.Mark(t.Context(), film, iv, "job-1"); err != nil || noted != "job-1" {
		t.Errorf("%s, %v", noted, err)
	}
	list()
	if len(etags) != 2 || etags[0] == etags[1] {
		t.Errorf("listed: %q", etags)
	}
	if info, err := st.Head(t.Context(), "day/film.mov.settings.json"); err != nil || info.Metadata["mode"] != "33188" || info.Metadata[sidecar.KeyJob] != "job-1" {
		t.Errorf("metadata: %v, %v", info.Metadata, err)
	}
	if noted, err := v.Mark(t.Context(), film, iv, "job-2"); err != nil || noted != "job-1" {
		t.Errorf("a second one: %s, %v", noted, err)
	}
	put(t, st, iv, nil)
	s.before = func() { put(t, st, slices.Repeat([]byte{1}, 16), nil) }
	if _, err := v.Mark(t.Context(), film, iv, "job-3"); !errors.Is(err, ErrReplaced) {
		t.Errorf("it was saved again meanwhile: %v", err)
	}
	if found, err := v.Look(t.Context(), film); err != nil || found.Job != "" || found.Settings.IV[0] != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := v.Look(t.Context(), home+"day/plain.mov"); !errors.Is(err, ErrReplaced) {
		t.Errorf("it has no settings: %v", err)
	}
}

// TestMarkTogether: of many in one moment one job is noted, and all are told which.
func TestMarkTogether(t *testing.T) {
	v := newVolume(t)
	noted := make([]string, 8)
	var wg sync.WaitGroup
	for i := range noted {
		wg.Go(func() {
			other := New(config.Config{Store: v.c.Store}, v.opener)
			defer other.Close()
			var err error
			if noted[i], err = other.Mark(t.Context(), home+"day/film.mov", make([]byte, 16), fmt.Sprint("job-", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(slices.Compact(noted)) != 1 {
		t.Errorf("noted: %q", noted)
	}
}
