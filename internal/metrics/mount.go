package metrics

import (
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mcfs/internal/feed"
	"mcfs/volume"
	"mcfs/volume/event"
)

// surveyed is what a mount's volume is asked for, counted what its feed is.
type (
	surveyed interface {
		Status() volume.Status
		Totals() volume.Totals
	}
	counted interface {
		Totals() map[feed.Total]int64
	}
)

// mount collects what is told of one mount. Each time it is asked it surveys the volume once.
type mount struct {
	volume surveyed
	feed   counted
}

// Describe tells of no metric, since what labels there are depends on what happens.
func (m mount) Describe(chan<- *prometheus.Desc) {}

// Collect surveys the mount.
func (m mount) Collect(to chan<- prometheus.Metric) {
	r := report{to}
	s := m.volume.Status()
	r.drafts(s)
	r.spool(s.Cache)
	r.totals(m.volume.Totals())
	r.events(m.feed.Totals())
	r.gauge("goroutines", "Goroutines of the daemon.", float64(runtime.NumGoroutine()))
}

// report is one answer.
type report struct{ to chan<- prometheus.Metric }

// label is the name and the value of one.
type label struct{ name, value string }

func (r report) gauge(name, help string, value float64, labels ...label) {
	r.tell(prometheus.GaugeValue, name, help, value, labels)
}

func (r report) counter(name, help string, value int64, labels ...label) {
	r.tell(prometheus.CounterValue, name, help, float64(value), labels)
}

func (r report) tell(kind prometheus.ValueType, name, help string, value float64, labels []label) {
	var names, values []string
	for _, l := range labels {
		names, values = append(names, l.name), append(values, l.value)
	}
	desc := prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, names, nil)
	r.to <- prometheus.MustNewConstMetric(desc, kind, value, values...)
}

// drafts tells what is not in the store. What stays on this machine for its name is not pending.
func (r report) drafts(s volume.Status) {
	states := make(map[string]int)
	for state := volume.Writing; state <= volume.Lost; state++ {
		states[state.String()] = 0
	}
	var pending, failing, unsafe, left int64
	var oldest time.Duration
	for _, d := range s.Drafts {
		states[d.State]++
		if d.State == volume.Local.String() {
			continue
		}
		pending++
		failing += one(d.Failure != nil)
		unsafe += one(!d.Safe)
		left += max(0, d.Size-d.Sent)
		if !d.Closed.IsZero() {
			oldest = max(oldest, time.Since(d.Closed))
		}
	}
	for _, c := range s.Changes {
		failing += one(c.Failure != nil)
	}
	var there int64
	for _, c := range s.Conflicts {
		there += one(c.There)
	}
	for state, n := range states {
		r.gauge("drafts", "Files with content that the store does not have, by state.", float64(n), label{"state", state})
	}
	r.gauge("pending", "Files and changes of names that the store does not have yet.", float64(pending+int64(len(s.Changes))))
	r.gauge("pending_changes", "Of what is pending, changes of names and attributes.", float64(len(s.Changes)))
	r.gauge("pending_bytes", "Bytes of pending files, less what the store has taken of them.", float64(left))
	r.gauge("failing", "Of what is pending, what failed when it was tried last.", float64(failing))
	r.gauge("unsafe_drafts", "Of what is pending, files of which a crash would lose something.", float64(unsafe))
	r.gauge("oldest_pending_seconds", "How long the pending file that waits longest has been closed; 0: none waits.", oldest.Seconds())
	r.gauge("quarantined", "Drafts in the quarantine of the spool.", float64(len(s.Quarantine)))
	r.gauge("conflict_copies", "Files that were set aside in conflicts since the mount began, and are there still.", float64(there))
}

func (r report) spool(c volume.CacheStatus) {
	r.gauge("spool_bytes", "Bytes of sealed files in the spool.", float64(c.Used))
	r.gauge("spool_draft_bytes", "Of them, what is no cache: the store does not have it yet.", float64(c.Drafts))
	r.gauge("spool_max_bytes", "The spool's quota.", float64(c.Limit))
}

func (r report) totals(t volume.Totals) {
	r.counter("committed_bytes_total", "Bytes of ciphertext that were committed.", t.Committed)
	r.counter("read_bytes_total", "Bytes of content that programs have read.", t.Read)
	r.counter("fetched_bytes_total", "Bytes of ciphertext that came from the store to be read; the rest of what was read was cached.", t.Fetched)
	r.counter("retries_total", "Tries of commits and changes that followed a failed one.", t.Retries)
}

// events tells what has happened.
func (r report) events(totals map[feed.Total]int64) {
	types := make(map[string]int64)
	for t, n := range totals {
		types[t.Type] += n
	}
	for _, t := range feed.Kinds() {
		r.counter("events_total", "What has happened to files, by type.", types[t], label{"type", t})
	}
	for t, n := range withZeros(totals) {
		switch t.Type {
		case string(event.Failure):
			r.counter("failures_total", "Commits and changes whose failure was told, by what failed, and whether it is tried again.", n,
				label{"what", t.What}, label{"again", strconv.FormatBool(t.Again)})
		case feed.Jobs:
			r.counter("jobs_total", "What has become of jobs of hot folders; status is the service's word for one that has ended.", n,
				label{"what", t.What}, label{"status", t.Status})
		}
	}
}

// withZeros adds, as 0, what matters and has not happened yet, so that the first time it does
// is seen as an increase.
func withZeros(totals map[feed.Total]int64) map[feed.Total]int64 {
	for _, t := range []feed.Total{
		{Type: string(event.Failure), What: "commit", Again: true},
		{Type: string(event.Failure), What: "commit"},
		{Type: feed.Jobs, What: string(feed.JobCreated)},
		{Type: feed.Jobs, What: string(feed.JobFailed)},
		{Type: feed.Jobs, What: string(feed.JobEnded), Status: "COMPLETE"},
		{Type: feed.Jobs, What: string(feed.JobEnded), Status: "ERROR"},
		{Type: feed.Jobs, What: string(feed.JobEnded), Status: "CANCELED"},
	} {
		totals[t] += 0
	}
	return totals
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
