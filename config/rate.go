package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Timetable says how many bytes a second may be sent, by the clock on the wall.
type Timetable []Step

// Step is a rate from a minute of the week on. The week begins with Sunday.
type Step struct {
	Minute int
	Rate   int64 // bytes a second; 0: any number
}

const (
	day = 24 * 60 // minutes
	// leastRate is the least that can be told from a dead link: S3 gives a connection up
	// that stands for twenty seconds.
	leastRate = 16 << 10
	// off is the word for no limit.
	off = "off"
	// everyDay are the days of a step that names none.
	everyDay = "SunMonTueWedThuFriSat"
)

var errRate = errors.New(`give a rate a second like "8MiB", "off", or a timetable like "08:00,512KiB 18:00,10MiB 23:00,off" or "Mon-08:00,1MiB Sat-00:00,off"`)

// ParseRateLimit reads a rate, or a timetable: steps TIME,RATE or DAY-TIME,RATE with spaces
// between them, each of which holds until the next one, in the next week, too.
func ParseRateLimit(s string) (Timetable, error) {
	if r, err := parseRate(s); err == nil {
		return Timetable{{0, r}}, nil
	} else if !errors.Is(err, errRate) {
		return nil, err
	}
	var t Timetable
	for _, field := range strings.Fields(s) {
		steps, err := parseStep(field)
		if err != nil {
			return nil, err
		}
		t = append(t, steps...)
	}
	if len(t) == 0 {
		return nil, errRate
	}
	slices.SortFunc(t, func(a, b Step) int { return a.Minute - b.Minute })
	for i := 1; i < len(t); i++ {
		if t[i].Minute == t[i-1].Minute {
			return nil, fmt.Errorf("two steps are at %s %02d:%02d; remove one", time.Weekday(t[i].Minute/day), t[i].Minute%day/60, t[i].Minute%60)
		}
	}
	return t, nil
}

// parseRate reads "off" or a size. Its error is errRate for what is neither.
func parseRate(s string) (int64, error) {
	if s == off {
		return 0, nil
	}
	n, err := ParseByteSize(s)
	switch {
	case err != nil:
		return 0, errRate
	case n < leastRate:
		return 0, fmt.Errorf("%v a second are too few for a link that is to be told from a dead one; give %v or more, or %q", n, ByteSize(leastRate), off)
	}
	return int64(n), nil
}

// parseStep reads one step, which is one for each of its days.
func parseStep(field string) (Timetable, error) {
	at, value, ok := strings.Cut(field, ",")
	if !ok {
		return nil, errRate
	}
	days := everyDay
	if name, clock, named := strings.Cut(at, "-"); named {
		if days, at = weekday(name), clock; days == "" {
			return nil, fmt.Errorf("%q is no day; give Mon, Tue, Wed, Thu, Fri, Sat or Sun", clip(name))
		}
	}
	minute, err := parseClock(at)
	if err != nil {
		return nil, err
	}
	r, err := parseRate(value)
	if err != nil {
		return nil, err
	}
	var t Timetable
	for ; days != ""; days = days[3:] {
		t = append(t, Step{strings.Index(everyDay, days[:3])/3*day + minute, r})
	}
	return t, nil
}

// weekday is the short name of a day, "" for what is none.
func weekday(name string) string {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if full := d.String(); strings.EqualFold(name, full) || strings.EqualFold(name, full[:3]) {
			return full[:3]
		}
	}
	return ""
}

// parseClock reads HH:MM as minutes of a day.
func parseClock(s string) (int, error) {
	cure := fmt.Errorf(`%q is no time of day; give one like "08:00"`, clip(s))
	hour, minute, ok := strings.Cut(s, ":")
	h, err := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	if !ok || err != nil || err2 != nil || len(minute) != 2 || len(hour) > 2 || h > 23 || m > 59 {
		return 0, cure
	}
	return int(h)*60 + int(m), nil
}

// At is the rate at a time, by the clock of the time's zone; 0: any number. A step holds until
// the next one, and the last of a week until the first of the next week.
func (t Timetable) At(now time.Time) int64 {
	if len(t) == 0 {
		return 0
	}
	minute := int(now.Weekday())*day + now.Hour()*60 + now.Minute()
	in := t[len(t)-1]
	for _, s := range t {
		if s.Minute > minute {
			break
		}
		in = s
	}
	return in.Rate
}

// Limits reports whether there is a time with a rate.
func (t Timetable) Limits() bool {
	return slices.ContainsFunc(t, func(s Step) bool { return s.Rate > 0 })
}

// Timetable is the section's rate_limit.
func (u Upload) Timetable() Timetable {
	t, _ := ParseRateLimit(u.RateLimit) // which is checked
	return t
}
