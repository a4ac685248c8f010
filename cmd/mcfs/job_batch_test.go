package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mcfs/sidecar"
)

// heapAt is a writer that notes how large the heap is at some of its lines.
type heapAt struct {
	lines int
	at    map[int]uint64
}

func (h *heapAt) Write(p []byte) (int, error) {
	h.lines += bytes.Count(p, []byte("\n"))
	if _, asked := h.at[h.lines]; asked {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		h.at[h.lines] = m.HeapAlloc
	}
	return len(p), nil
}

// TestManyPaths: a hundred thousand paths are told of one by one, and none is kept.
func TestManyPaths(t *testing.T) {
	const paths, early, late = 100_000, 10_000, 99_000
	dir := t.TempDir()
	list, write := io.Pipe()
	go func() { // ends with the list
		for i := range paths {
			fmt.Fprintf(write, "%s/%s-%d.mov\n", dir, strings.Repeat("x", 100), i)
		}
		write.Close()
	}()
	heap := &heapAt{at: map[int]uint64{early: 0, late: 0}}
	b := &batch{f: jobFlags{parallel: 8}, read: &inputReader{}, std: stdio{out: io.Discard, err: heap}}
	err := runBatch(t.Context(), service{}, b, pathSource{list: "-", in: list, read: b.read})
	if statusOf(err) != exitFailed || b.count.Failed != paths || heap.lines != paths {
		t.Fatalf("%v: %+v, %d lines", err, b.count, heap.lines)
	}
	if grown := int64(heap.at[late]) - int64(heap.at[early]); grown > 1<<20 {
		t.Errorf("the heap has grown by %d bytes over %d paths", grown, late-early)
	}
}

// TestWalk: a directory of many files, links in circles and sidecars is named once, whole, and no
// further than somebody wants it.
func TestWalk(t *testing.T) {
	dir := t.TempDir()
	want := make(map[string]bool)
	for i := range 3 * dirBatch {
		at := filepath.Join(dir, fmt.Sprint("d", i%3), fmt.Sprintf("%d.mov", i))
		want[at] = true
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, nil, 0o600), os.WriteFile(sidecar.Name(at), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("..", filepath.Join(dir, "d0", "up")), os.Symlink("0.mov", filepath.Join(dir, "d0", "same.mov")), os.WriteFile(filepath.Join(dir, "x.txt"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	s := pathSource{args: []string{dir}, recursive: true, match: []string{"*.mov"}}
	if err := s.each(t.Context(), func(f found) bool {
		if !want[f.path] || f.err != nil {
			t.Errorf("%+v", f)
		}
		delete(want, f.path)
		return true
	}); err != nil || len(want) > 0 {
		t.Errorf("%v; not named: %d", err, len(want))
	}
	n := 0
	if err := s.each(t.Context(), func(found) bool { n++; return n < 5 }); err != nil || n != 5 {
		t.Errorf("%d were named, %v", n, err)
	}
}

// TestNamesFromAList: names end with a line or with NUL, as the list is said to be.
func TestNamesFromAList(t *testing.T) {
	for _, c := range []struct {
		text string
		zero bool
		want []string
	}{
		{"a\n\nb c\r\n d", false, []string{"a", "b c", " d"}},
		{"a\x00\x00b\nc\x00d", true, []string{"a", "b\nc", "d"}},
		{"", false, nil},
	} {
		var got []string
		err := pathSource{list: "-", zero: c.zero, in: strings.NewReader(c.text)}.each(t.Context(), func(f found) bool {
			got = append(got, f.path)
			return true
		})
		if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
			t.Errorf("%q: %q, %v", c.text, got, err)
		}
	}
	err := pathSource{list: "-", in: strings.NewReader(strings.Repeat("x", maxName+1))}.each(t.Context(), func(found) bool { return true })
	if statusOf(err) != exitUsage {
		t.Errorf("a name that is too long: %v", err)
	}
}

// TestPlaced: what stands for the place of a file.
func TestPlaced(t *testing.T) {
	for key, want := range map[string]string{
		"film.mov":      "s3://d/film/film.mov",
		"a/b/film.x.y":  "s3://d/a/b/film.x/film.x.y",
		"a/noextension": "s3://d/a/noextension/noextension",
	} {
		in := jobInput{volume: "s3://in/p/"}
		in.Settings.FileInput = in.volume + key
		if got := placed("s3://d/{dir}/{name}/{file}", in); got != want {
			t.Errorf("%s: %s, not %s", key, got, want)
		}
	}
}

// TestTally: the exit status of many files.
func TestTally(t *testing.T) {
	for want, list := range map[int][]tally{
		exitOK:          {{}, {Files: 2, Complete: 2}, {Files: 1, Would: 1, Skipped: 4}},
		exitRunning:     {{Files: 2, Complete: 1, Running: 1}},
		exitSome:        {{Files: 3, Complete: 1, Failed: 2}, {Files: 2, Running: 1, Error: 1}},
		exitFailed:      {{Files: 2, Failed: 2}, {Files: 2, Failed: 1, Error: 1}},
		exitJobError:    {{Files: 2, Error: 2}},
		exitJobCanceled: {{Files: 2, Canceled: 2}},
		exitDamage:      {{Files: 2, Failed: 2, damaged: 2}},
	} {
		for _, c := range list {
			if got := statusOf(c.outcome(false)); got != want {
				t.Errorf("%+v: %d, not %d", c, got, want)
			}
		}
	}
}
