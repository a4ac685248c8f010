package clock

import "time"

// Instant is a moment of this process by its monotonic clock, in nanoseconds; 0 is
// never. It takes the place of a time.Time where there is one for each file.
type Instant int64

// epoch is what instants are counted from.
var epoch = time.Now()

// At is when t was. t must come from time.Now, or it has no monotonic reading.
func At(t time.Time) Instant {
	if d := t.Sub(epoch); d != 0 {
		return Instant(d)
	}
	return 1
}

// Within reports whether that was less than d ago.
func (i Instant) Within(d time.Duration) bool {
	return i != 0 && time.Since(epoch)-time.Duration(i) < d
}
