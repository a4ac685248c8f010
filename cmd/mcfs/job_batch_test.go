package main

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"mcfs/internal/jobinput"
	"mcfs/internal/paths"
	"mcfs/mediaconvert/batch"
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
	const many, early, late = 100_000, 10_000, 99_000
	dir := t.TempDir()
	list, write := io.Pipe()
	go func() { // ends with the list
		for i := range many {
			fmt.Fprintf(write, "%s/%s-%d.mov\n", dir, strings.Repeat("x", 100), i)
		}
		write.Close()
	}()
	heap := &heapAt{at: map[int]uint64{early: 0, late: 0}}
	b := &batched{f: jobFlags{parallel: 8}, read: &jobinput.Reader{Open: openStored}, std: stdio{out: io.Discard, err: heap}}
	err := runBatch(t.Context(), b, paths.Source{List: "-", In: list})
	if statusOf(err) != exitFailed || b.count.Failed != many || heap.lines != many {
		t.Fatalf("%v: %+v, %d lines", err, b.count, heap.lines)
	}
	if grown := int64(heap.at[late]) - int64(heap.at[early]); grown > 1<<20 {
		t.Errorf("the heap has grown by %d bytes over %d paths", grown, late-early)
	}
}

// TestTally: the exit status of many files.
func TestTally(t *testing.T) {
	for want, list := range map[int][]batch.Tally{
		exitOK:          {{}, {Files: 2, Complete: 2}, {Files: 1, Would: 1, Skipped: 4}},
		exitRunning:     {{Files: 2, Complete: 1, Running: 1}},
		exitSome:        {{Files: 3, Complete: 1, Failed: 2}, {Files: 2, Running: 1, Error: 1}},
		exitFailed:      {{Files: 2, Failed: 2}, {Files: 2, Failed: 1, Error: 1}},
		exitJobError:    {{Files: 2, Error: 2}},
		exitJobCanceled: {{Files: 2, Canceled: 2}},
	} {
		for _, c := range list {
			if got := statusOf(outcomeOf(c, false)); got != want {
				t.Errorf("%+v: %d, not %d", c, got, want)
			}
		}
	}
}
