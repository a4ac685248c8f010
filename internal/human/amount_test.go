package human

import (
	"testing"
	"time"
)

func TestSizes(t *testing.T) {
	for n, want := range map[int64][2]string{
		0:             {"0 B", "0.0 KiB"},
		1023:          {"1023 B", "1.0 KiB"},
		1 << 10:       {"1.0 KiB", "1.0 KiB"},
		3 << 19:       {"1.5 MiB", "1.5 MiB"},
		20<<30 + 1<<9: {"20.0 GiB", "20.0 GiB"},
	} {
		if got := [2]string{Size(n), Progress(n)}; got != want {
			t.Errorf("%d bytes are %q, not %q", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 files", 1: "1 file", 2: "2 files"} {
		if got := Count(n, "file"); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

func TestClock(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.Local)
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{now.Add(-time.Hour), "11:00:00"},
		{now.Add(time.Hour).UTC(), "13:00:00"},
		{now.Add(-25 * time.Hour), "2026-05-03 11:00"},
		{time.Time{}, "an unknown time"},
	} {
		if got := Clock(c.at, now); got != c.want {
			t.Errorf("%v is %q, not %q", c.at, got, c.want)
		}
	}
}
