package human

import (
	"fmt"
	"time"
)

// Size returns a number of bytes in the unit that suits it.
func Size(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	return Progress(n)
}

// Progress returns a number of bytes in KiB or more. While an upload goes on its
// figures keep their form.
func Progress(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// Count returns "1 file", "2 files".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Clock returns the local time of t, with its date unless that is today's.
func Clock(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "an unknown time"
	case t.Local().Format(time.DateOnly) == now.Local().Format(time.DateOnly):
		return t.Local().Format(time.TimeOnly)
	}
	return t.Local().Format("2006-01-02 15:04")
}
