package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/store"
	"mcfs/volume/event"
)

// listener has heard what a feed has sent it.
type listener struct {
	f      *Feed
	cancel context.CancelFunc
	done   chan error
	gate   chan struct{} // each line takes one; nil: none does

	mu   sync.Mutex
	list []Line
}

func listen(t *testing.T, f *Feed, under, since string, gate chan struct{}) *listener {
	ctx, cancel := context.WithCancel(t.Context())
	l := &listener{f: f, cancel: cancel, done: make(chan error, 1), gate: gate}
	go func() { // ends with the feed, or by cancel
		l.done <- f.Follow(ctx, under, since, func(line Line) error {
			if gate != nil {
				<-gate
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.list = append(l.list, line)
			return nil
		})
	}()
	synctest.Wait()
	return l
}

// heard is what a listener has heard, as "type path", and "missed NUMBER".
func (l *listener) heard() (got []string) {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.list {
		text := line.Type
		if line.Path != "" {
			text += " " + line.Path
		}
		if line.Missed > 0 {
			text += fmt.Sprintf(" %d", line.Missed)
		}
		got = append(got, text)
	}
	return got
}

func (l *listener) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	if got := l.heard(); !slices.Equal(got, want) {
		t.Errorf("%s: heard %q, want %q", when, got, want)
	}
}

func commit(path string) event.Event {
	return event.Event{Kind: event.Commit, Path: path, Size: 7, ETag: "e", IV: []byte("0123456789abcdef"), Settings: true}
}

// TestListeners: each listener has every event at and below its path once, in order, from when it
// came until the feed ends.
func TestListeners(t *testing.T) { synctest.Test(t, listeners) }

func listeners(t *testing.T) {
	f := New(Place{Mountpoint: "/mnt", Address: "s3://b/p/"})
	f.Observe(commit("before"))
	all, some, gone := listen(t, f, "", "", nil), listen(t, f, "/d/", "", nil), listen(t, f, "", "", nil)
	f.Observe(commit("a"))
	gone.heard()
	gone.cancel()
	f.Observe(commit("d/b"))
	f.Observe(event.Event{Kind: event.Rename, Path: "x", To: "d/x"})
	f.Observe(event.Event{Kind: event.Remove, Path: "dd"})
	f.Observe(event.Event{Kind: event.Rename, Path: "d", To: "e", Dir: true})
	all.expect(t, "all", "listening", "commit a", "commit d/b", "rename x", "remove dd", "rename d")
	some.expect(t, "of d", "listening", "commit d/b", "rename x", "rename d")
	f.Close()
	f.Observe(commit("after"))
	all.expect(t, "ended", "listening", "commit a", "commit d/b", "rename x", "remove dd", "rename d", "ended")
	for _, l := range []*listener{all, some} {
		if err := <-l.done; err != nil {
			t.Error(err)
		}
	}
	gone.expect(t, "gone", "listening", "commit a")
	if err := <-gone.done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestSlowListener: one that does not read holds nothing up, and is told how many it has missed.
func TestSlowListener(t *testing.T) { synctest.Test(t, slowListener) }

func slowListener(t *testing.T) {
	f := newFeed(Place{}, 8)
	gate := make(chan struct{})
	l := listen(t, f, "", "", gate)
	began := time.Now()
	for i := range 100 {
		f.Observe(commit(fmt.Sprint(i)))
	}
	if took := time.Since(began); took > 0 {
		t.Errorf("it has held the volume up for %v", took)
	}
	close(gate)
	l.expect(t, "later", "listening", "missed 92", "commit 92", "commit 93", "commit 94", "commit 95", "commit 96", "commit 97", "commit 98", "commit 99")
	l.cancel()
	<-l.done
}

// TestDeadListener: Close waits a moment for one that reads nothing any more, and no longer.
func TestDeadListener(t *testing.T) { synctest.Test(t, deadListener) }

func deadListener(t *testing.T) {
	f := New(Place{})
	gate := make(chan struct{})
	l := listen(t, f, "", "", gate)
	began := time.Now()
	f.Close()
	if took := time.Since(began); took != farewell {
		t.Errorf("it took %v", took)
	}
	close(gate)
	<-l.done
}

// TestComeBack: a listener that comes back has what was since, or is told that it cannot.
func TestComeBack(t *testing.T) { synctest.Test(t, comeBack) }

func comeBack(t *testing.T) {
	f := newFeed(Place{}, 4)
	first := listen(t, f, "", "", nil)
	f.Observe(commit("a"))
	first.expect(t, "first", "listening", "commit a")
	first.cancel()
	begun, at := first.list[0].Seq, first.list[1].Seq
	f.Observe(commit("b"))
	f.Observe(commit("c"))
	for _, c := range []struct {
		since string
		want  []string
	}{
		{at, []string{"listening", "commit b", "commit c"}},
		{begun, []string{"listening", "commit a", "commit b", "commit c"}},
		{New(Place{}).seq(1), []string{"listening", "missed", "commit a", "commit b", "commit c"}}, // of another mount
		{f.seq(9), []string{"listening", "missed", "commit a", "commit b", "commit c"}},
		{"nonsense", []string{"listening", "missed", "commit a", "commit b", "commit c"}},
	} {
		l := listen(t, f, "", c.since, nil)
		l.expect(t, c.since, c.want...)
		l.cancel()
		<-l.done
	}
	f.Observe(commit("d"))
	f.Observe(commit("e"))
	f.Observe(commit("f"))
	l := listen(t, f, "", at, nil)
	l.expect(t, "too late", "listening", "missed 1", "commit c", "commit d", "commit e", "commit f")
	if missed := l.list[1].Seq; missed != f.seq(2) {
		t.Errorf("after what was missed the number is %s", missed)
	}
	l.cancel()
	<-l.done
	<-first.done
}

// TestLines: a line says what a pipeline needs.
func TestLines(t *testing.T) {
	f := New(Place{Mountpoint: "/mnt", Address: "s3://b/p/"})
	f.run = "run"
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		e    event.Event
		want string
	}{
		{commit("d/a.mov"), `{"v":1,"type":"commit","seq":"run-3","time":"2026-01-02T03:04:05Z","mountpoint":"/mnt","path":"d/a.mov","size":7,"etag":"e","address":"s3://b/p/d/a.mov","settings":"d/a.mov.settings.json","iv":"MDEyMzQ1Njc4OWFiY2RlZg=="}`},
		{event.Event{Kind: event.Rename, Path: "a", To: "b", ETag: "e"}, `{"v":1,"type":"rename","seq":"run-3","time":"2026-01-02T03:04:05Z","mountpoint":"/mnt","path":"a","to":"b","size":0,"etag":"e","address":"s3://b/p/b"}`},
		{event.Event{Kind: event.Remove, Path: "a", Dir: true}, `{"v":1,"type":"remove","seq":"run-3","time":"2026-01-02T03:04:05Z","mountpoint":"/mnt","path":"a","dir":true}`},
		{event.Event{Kind: event.Failure, What: "commit", Path: "a", Again: true, Cause: fmt.Errorf("put: %w", store.ErrDenied)}, `{"v":1,"type":"failure","seq":"run-3","time":"2026-01-02T03:04:05Z","mountpoint":"/mnt","path":"a","what":"commit","again":true,"failure":{"code":"store_denied","message":"put: ` + store.ErrDenied.Error() + `","cure":"give credentials that may use the bucket"}}`},
	} {
		text, err := f.lineOf(entry{Event: c.e, at: at}, 3).JSON()
		if err != nil || string(text) != c.want {
			t.Errorf("%s (%v)\nwant %s", text, err, c.want)
		}
	}
}

// TestJobs: what becomes of a job is told beside the rest, at and below the path of its file.
func TestJobs(t *testing.T) { synctest.Test(t, jobLines) }

func jobLines(t *testing.T) {
	f := New(Place{Mountpoint: "/mnt", Address: "s3://b/p/"})
	all, other := listen(t, f, "d", "", nil), listen(t, f, "e", "", nil)
	f.ObserveJob(Job{What: JobCreated, Path: "d/a.mov", IV: "aXY=", ID: "1-a", Status: "SUBMITTED"})
	f.ObserveJob(Job{What: JobEnded, Path: "d/a.mov", IV: "aXY=", ID: "1-a", Status: "COMPLETE", Outputs: []string{"s3://out/a.mp4"}})
	f.ObserveJob(Job{What: JobFailed, Path: "d/b.mov", Cause: fmt.Errorf("look: %w", store.ErrDenied), Again: true})
	all.expect(t, "below", "listening", "job d/a.mov", "job d/a.mov", "job d/b.mov")
	other.expect(t, "elsewhere", "listening")
	f.Close()
	<-all.done
	<-other.done
	f.run = "run"
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const head = `{"v":1,"type":"job","seq":"run-3","time":"2026-01-02T03:04:05Z","mountpoint":"/mnt","path":"d/`
	for i, want := range []string{
		head + `a.mov","address":"s3://b/p/d/a.mov","settings":"d/a.mov.settings.json","iv":"aXY=","what":"created","job":"1-a","status":"SUBMITTED"}`,
		head + `a.mov","address":"s3://b/p/d/a.mov","settings":"d/a.mov.settings.json","iv":"aXY=","what":"ended","job":"1-a","status":"COMPLETE","outputs":["s3://out/a.mp4"]}`,
		head + `b.mov","address":"s3://b/p/d/b.mov","what":"failed","again":true,"failure":{"code":"store_denied","message":"look: ` + store.ErrDenied.Error() + `","cure":"give credentials that may use the bucket"}}`,
	} {
		e := f.kept[i+1]
		e.at = at
		if text, err := f.lineOf(e, 3).JSON(); err != nil || string(text) != want {
			t.Errorf("%s (%v)\nwant %s", text, err, want)
		}
	}
}
