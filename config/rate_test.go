package config

import (
	"strings"
	"testing"
	"time"
)

// TestRateLimit: what is in force when, by a clock of its own.
func TestRateLimit(t *testing.T) {
	zone := time.FixedZone("there", 5*3600)
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 30, 0, zone) } // the 1st is a Sunday
	const office = "08:00,512KiB 18:00,10MiB 23:00,off"
	const weekly = "Mon-08:00,1MiB friday-18:30,off SAT-00:00,16KiB"
	for _, c := range []struct {
		text string
		now  time.Time
		want int64
	}{
		{"off", at(1, 0, 0), 0},
		{"8MiB", at(1, 0, 0), 8 << 20},
		{"1000000", at(7, 23, 59), 1000000},
		{office, at(2, 8, 0), 512 << 10},
		{office, at(2, 17, 59), 512 << 10},
		{office, at(2, 18, 0), 10 << 20},
		{office, at(2, 22, 59), 10 << 20},
		{office, at(2, 23, 0), 0},
		{office, at(3, 7, 59), 0}, // of the day before
		{office, at(1, 0, 0), 0},  // of the week before
		{office, at(7, 12, 0), 512 << 10},
		{weekly, at(1, 12, 0), 16 << 10}, // Sunday: since Saturday
		{weekly, at(2, 7, 59), 16 << 10},
		{weekly, at(2, 8, 0), 1 << 20},
		{weekly, at(6, 18, 29), 1 << 20},
		{weekly, at(6, 18, 30), 0},
		{weekly, at(7, 0, 0), 16 << 10},
		{"  09:05,64KiB\n7:00,off ", at(4, 9, 5), 64 << 10},
		{"12:00,64KiB", at(4, 3, 0), 64 << 10}, // all day
	} {
		table, err := ParseRateLimit(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		if got := table.At(c.now); got != c.want {
			t.Errorf("%q on %s: %d, not %d", c.text, c.now.Format("Mon 15:04"), got, c.want)
		}
		if table.Limits() != (c.text != "off") {
			t.Errorf("%q: limits %v", c.text, table.Limits())
		}
	}
}

func TestRateLimitRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "give a rate a second like",
		"fast":                      "give a rate a second like",
		"-1":                        "give a rate a second like",
		"8MiB off":                  "give a rate a second like",
		"08:00":                     "give a rate a second like",
		"08:00,fast":                "give a rate a second like",
		"1KiB":                      "give 16KiB or more, or \"off\"",
		"08:00,0":                   "give 16KiB or more",
		"24:00,off":                 `"24:00" is no time of day`,
		"08:60,off":                 `"08:60" is no time of day`,
		"08:5,off":                  `"08:5" is no time of day`,
		"+8:00,off":                 `"+8:00" is no time of day`,
		"Mo-08:00,off":              `"Mo" is no day`,
		"-08:00,off":                `"" is no day`,
		"08:00,off Tue-08:00,16KiB": "two steps are at Tuesday 08:00",
		"8MiB,9MiB":                 `"8MiB" is no time of day`,
	} {
		if table, err := ParseRateLimit(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v", text, table, err)
		}
	}
}

func FuzzParseRateLimit(f *testing.F) {
	for _, s := range []string{"off", "8MiB", "08:00,512KiB 18:00,10MiB 23:00,off", "Mon-08:00,1MiB Sat-00:00,off"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		table, err := ParseRateLimit(s)
		if err != nil {
			if strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("%q: an error of two lines: %v", s, err)
			}
			return
		}
		if len(table) == 0 {
			t.Errorf("%q: no step and no error", s)
		}
		for i, step := range table {
			if step.Rate < 0 || step.Rate > 0 && step.Rate < leastRate || step.Minute < 0 || step.Minute >= 7*day || i > 0 && step.Minute <= table[i-1].Minute {
				t.Errorf("%q: step %d is %+v", s, i, step)
			}
			sunday := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			if got := table.At(sunday.Add(time.Duration(step.Minute) * time.Minute)); got != step.Rate {
				t.Errorf("%q: %d at minute %d, not %d", s, got, step.Minute, step.Rate)
			}
		}
	})
}
