package status

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mcfs/volume"
)

// someStatus has one of each kind.
func someStatus(now time.Time) []Report {
	fail := &volume.Failure{Cause: "put: no such\nhost", Tries: 3, Since: now.Add(-time.Minute), Next: now.Add(12 * time.Second)}
	return []Report{{
		Mountpoint: "/mnt/a", Volume: "s3://ingest/a/", State: Mounted,
		Status: &volume.Status{
			Drafts: []volume.DraftStatus{
				{Path: "big", State: "writing", Size: 3 << 30, Sent: 2 << 30, Rate: 5 << 20, Dropped: true},
				{Path: "film", State: "uploading", Size: 400 << 20, Sent: 100 << 20, Rate: 10 << 20, Left: 30, Safe: true},
				{Path: "late", State: "queued", Size: 100, Safe: true, Failure: fail},
				{Path: "y/new", State: "queued", Size: 5, Safe: true, Behind: &volume.Behind{What: "move", Path: "x", To: "y"}},
				{Path: "gone", State: "lost", Size: 1 << 20},
				{Path: "old~", State: "local", Size: 7, Safe: true, Overdue: true, Closed: now.Add(-25 * time.Hour)},
				{Path: "new~", State: "local", Size: 7, Safe: true, Closed: now},
				{Path: "a.part", State: "temporary", Size: 7, Safe: true, Closed: now, Claims: now.Add(30 * time.Second)},
				{Path: "b.part", State: "temporary", Size: 7, Safe: true},
				{Path: "c.part", State: "temporary", Size: 3 << 30, Dropped: true, Told: "c", Closed: now},
			},
			Changes:    []volume.ChangeStatus{{What: "rename", Path: "x", To: "y\x1b[2J", Failure: &volume.Failure{Cause: "slow", Tries: 1}}},
			Conflicts:  []volume.ConflictStatus{{Path: "f", Aside: "f (conflict h)", At: now, There: true}, {Path: "g", Aside: "removed"}},
			Quarantine: []volume.Quarantined{{File: "/s/quarantine/1", Bytes: 2048, At: now, Why: "tampered"}},
			Cache:      volume.CacheStatus{Used: 3 << 30, Drafts: 1 << 30, Limit: 20 << 30},
		},
	}, {Volume: "s3://other/", State: Unmounted, Note: "it has no spool yet"}}
}

// TestStatusText: a person reads of each kind what it is and what to do.
func TestStatusText(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.Local)
	want := []string{
		"/mnt/a: mounted, s3://ingest/a/",
		"  writing      big  3.0 GiB so far, 2.0 GiB sent, 5.0 MiB/s; larger than the spool, which keeps no more than its end: not safe before its close",
		"  uploading    film  100.0 MiB of 400.0 MiB (25%), 10.0 MiB/s, 30s left",
		`  queued       late  100 B; failed 3 times since 11:59:00, next try in 12s; cause: "put: no such\nhost"`,
		"  queued       y/new  5 B; waits for the move of x to y",
		"  lost         gone  1.0 MiB; cannot be committed; its bytes are in quarantine",
		"  local-only   old~  7 B; closed at 2026-05-03 11:00 and not renamed since: it is in this spool alone; rename it, or remove it",
		"  temporary    a.part  7 B; uploaded under this name at 12:00:30, unless it is renamed; at once by mcfs sync and its path",
		"  temporary    b.part  7 B; open, under a name that looks temporary",
		"  temporary    c.part  3.0 GiB; larger than the spool: not safe, and lost when mcfs ends, until it is renamed to c, and to no other name",
		"  local-only   new~  7 B; stays on this machine while it has this name",
		`  rename       x -> "y\x1b[2J"  failed, being tried again; cause: slow`,
		"  conflict     f (conflict h)  set aside at 12:00:00: another machine had saved f",
		"  quarantine   /s/quarantine/1  2.0 KiB, since 12:00:00: tampered",
		"  cache        3.0 GiB of 20.0 GiB, 1.0 GiB of it drafts",
		"s3://other/: not mounted: it has no spool yet",
	}
	if diff := cmp.Diff(want, Lines(someStatus(now), now)); diff != "" {
		t.Error(diff)
	}
	if got := Lines(nil, now); len(got) != 1 || got[0] != "nothing is mounted" {
		t.Errorf("without any: %q", got)
	}
}

// TestStatusOnAScreen: it is redrawn in place, with bars, and never longer than the window.
func TestStatusOnAScreen(t *testing.T) {
	now := time.Now()
	var out bytes.Buffer
	height := 24
	s := &screen{out: &out, size: func() (int, int) { return 100, height }}
	draw := func() string {
		t.Helper()
		out.Reset()
		if err := s.show(someStatus(now), now); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	first := draw()
	if !strings.HasPrefix(first, wrapOff+"\r\x1b[J/mnt/a: mounted") || !strings.HasSuffix(first, wrapOn) {
		t.Errorf("%q", first)
	}
	if !strings.Contains(first, "uploading    [#####---------------] film  100.0 MiB of 400.0 MiB (25%), 10.0 MiB/s, 30s left\r\n") {
		t.Errorf("no bar: %q", first)
	}
	if again := draw(); !strings.HasPrefix(again, wrapOff+"\x1b[16A\r\x1b[J") {
		t.Errorf("not in place: %q", again)
	}
	height = 5
	if small := draw(); strings.Count(small, "\n") != 4 || !strings.Contains(small, "and 13 lines more") {
		t.Errorf("in a small window: %q", small)
	}
}

// TestStatusChronicle: a line for each change, tenths of an upload included, and
// none for what a daemon that does not answer does not say.
func TestStatusChronicle(t *testing.T) {
	var out bytes.Buffer
	c := &chronicle{out: &out}
	now := time.Now()
	show := func(r Report) string {
		t.Helper()
		out.Reset()
		if err := c.show([]Report{r}, now); err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(out.String(), now.Format(time.TimeOnly)+" ", "")
	}
	sent := func(n int64) Report {
		d := volume.DraftStatus{Path: "f", State: "uploading", Size: 1000, Sent: n, Rate: n}
		return Report{Mountpoint: "/m", State: Mounted, Status: &volume.Status{Drafts: []volume.DraftStatus{d}}}
	}
	for _, step := range []struct {
		r    Report
		want string
	}{
		{sent(110), "/m: mounted\n/m: uploading f  10% sent\n"},
		{sent(190), ""},
		{sent(210), "/m: uploading f  20% sent\n"},
		{Report{Mountpoint: "/m", State: Silent, Note: "hangs"}, "/m: silent: hangs\n"},
		{sent(210), "/m: mounted\n"},
		{Report{Mountpoint: "/m", State: Mounted, Status: &volume.Status{}}, "/m: no longer: draft f\n"},
	} {
		if got := show(step.r); got != step.want {
			t.Errorf("said %q, not %q", got, step.want)
		}
	}
}
