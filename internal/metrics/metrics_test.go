package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/internal/feed"
	"mcfs/keys"
	"mcfs/spool"
	"mcfs/store/dir"
	"mcfs/volume"
	"mcfs/volume/event"
	"mcfs/volume/status"
)

// fixed is a volume that is as it says.
type fixed struct {
	status volume.Status
	totals volume.Totals
}

func (f fixed) Status() volume.Status { return f.status }
func (f fixed) Totals() volume.Totals { return f.totals }

// gathered has each sample that a mount gives, as "name{label=value}".
func gathered(t *testing.T, m mount) map[string]float64 {
	t.Helper()
	registry := newRegistry(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		if strings.TrimSpace(f.GetHelp()) == "" {
			t.Errorf("%s says nothing of itself", f.GetName())
		}
		for _, sample := range f.GetMetric() {
			name := f.GetName()
			for _, l := range sample.GetLabel() {
				name += fmt.Sprintf("{%s=%s}", l.GetName(), l.GetValue())
			}
			all[name] = sample.GetGauge().GetValue() + sample.GetCounter().GetValue()
		}
	}
	delete(all, "mcfs_goroutines")
	return all
}

// TestMount: everything that happens to a mount is counted where it belongs, and a film that
// stays on this machine for its name is not pending.
func TestMount(t *testing.T) {
	f := feed.New(feed.Place{})
	for _, e := range []event.Event{
		{Kind: event.Commit, Size: 5}, {Kind: event.Commit, Size: 6}, {Kind: event.Rename}, {Kind: event.Remove}, {Kind: event.Conflict},
		{Kind: event.Failure, What: "commit", Again: true}, {Kind: event.Failure, What: "commit", Again: true}, {Kind: event.Failure, What: "rename"},
	} {
		f.Observe(e)
	}
	f.ObserveJob(feed.Job{What: feed.JobCreated, Status: "SUBMITTED"})
	f.ObserveJob(feed.Job{What: feed.JobEnded, Status: "COMPLETE"})
	f.ObserveJob(feed.Job{What: feed.JobEnded, Status: "ERROR"})
	s := volume.Status{
		Drafts: []volume.DraftStatus{
			{Path: ".DS_Store", State: "local", Size: 4, Closed: time.Now().Add(-time.Hour)},
			{Path: "a.mov", State: "uploading", Size: 1000, Sent: 600, Safe: true, Closed: time.Now().Add(-time.Minute)},
			{Path: "b.mov", State: "queued", Size: 50, Failure: &volume.Failure{}, Safe: true, Closed: time.Now()},
			{Path: "c.mov", State: "writing", Size: 7},
		},
		Changes:    []volume.ChangeStatus{{What: "rename", Failure: &volume.Failure{}}, {What: "mkdir"}},
		Conflicts:  []volume.ConflictStatus{{There: true}, {}},
		Quarantine: []spool.Quarantined{{}},
		Cache:      status.Cache{Used: 10, Drafts: 4, Limit: 20},
	}
	got := gathered(t, mount{fixed{s, volume.Totals{Committed: 1, Read: 2, Fetched: 3, Retries: 4}}, f})
	if oldest := got["mcfs_oldest_pending_seconds"]; oldest < 60 || oldest > 600 {
		t.Errorf("the oldest is %v s old", oldest)
	}
	delete(got, "mcfs_oldest_pending_seconds")
	want := map[string]float64{
		"mcfs_drafts{state=local}": 1, "mcfs_drafts{state=uploading}": 1, "mcfs_drafts{state=queued}": 1, "mcfs_drafts{state=writing}": 1,
		"mcfs_drafts{state=publishing}": 0, "mcfs_drafts{state=interrupted}": 0, "mcfs_drafts{state=temporary}": 0, "mcfs_drafts{state=lost}": 0,
		"mcfs_pending": 5, "mcfs_pending_changes": 2, "mcfs_pending_bytes": 457, "mcfs_failing": 2, "mcfs_unsafe_drafts": 1,
		"mcfs_quarantined": 1, "mcfs_conflict_copies": 1,
		"mcfs_spool_bytes": 10, "mcfs_spool_draft_bytes": 4, "mcfs_spool_max_bytes": 20,
		"mcfs_committed_bytes_total": 1, "mcfs_read_bytes_total": 2, "mcfs_fetched_bytes_total": 3, "mcfs_retries_total": 4,
		"mcfs_events_total{type=commit}": 2, "mcfs_events_total{type=rename}": 1, "mcfs_events_total{type=remove}": 1,
		"mcfs_events_total{type=conflict}": 1, "mcfs_events_total{type=failure}": 3, "mcfs_events_total{type=job}": 3,
		"mcfs_failures_total{again=true}{what=commit}": 2, "mcfs_failures_total{again=false}{what=commit}": 0, "mcfs_failures_total{again=false}{what=rename}": 1,
		"mcfs_jobs_total{status=}{what=failed}": 0, "mcfs_jobs_total{status=CANCELED}{what=ended}": 0,
		"mcfs_jobs_total{status=}{what=created}": 1, "mcfs_jobs_total{status=COMPLETE}{what=ended}": 1, "mcfs_jobs_total{status=ERROR}{what=ended}": 1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestServer: a mount that has just begun has all that it will count, and its address is free
// after the end, although a client is connected.
func TestServer(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	st, err := dir.New(dir.Options{Path: t.TempDir()})
	must(t, err)
	keeper, err := keys.CreateLocal(filepath.Join(t.TempDir(), "keyring"))
	must(t, err)
	sp, err := spool.Open(spool.Options{Dir: filepath.Join(t.TempDir(), "spool"), MaxSize: 1 << 20, Log: log})
	must(t, err)
	m, err := Listen("127.0.0.1:0")
	must(t, err)
	f := feed.New(feed.Place{})
	v, err := volume.Open(t.Context(), volume.Options{Store: st, Keeper: m.Metered(keeper), Spool: sp, Log: log, Observer: f, Mode: crypt.CTR})
	must(t, err)
	defer func() { must(t, errors.Join(v.Close(context.Background()), sp.Close())) }()
	m.Serve(v, f, log)
	if err := m.Metered(keeper).Check(t.Context()); err != nil {
		t.Error(err)
	}
	at := m.listener.Addr().String()
	answer, err := http.Get("http://" + at + "/metrics")
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	for _, line := range []string{
		"mcfs_pending 0", `mcfs_events_total{type="commit"} 0`, `mcfs_key_call_seconds_count{call="check",outcome="ok"} 1`, `mcfs_key_call_seconds_count{call="new",outcome="failed"} 0`,
		"# TYPE go_gc_duration_seconds summary",
	} {
		if !strings.Contains("\n"+string(text), "\n"+line+"\n") {
			t.Errorf("%q is not in\n%s", line, text)
		}
	}
	must(t, m.Close())
	again, err := Listen(at)
	must(t, err)
	must(t, again.Close())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
