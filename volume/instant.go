package volume

import "time"

// instant is a moment of this process by its monotonic clock, in nanoseconds; 0 is
// never. It takes the place of a time.Time where there is one for each file.
type instant int64

// epoch is what instants are counted from.
var epoch = time.Now()

// instantOf is when t was. t must come from time.Now, or it has no monotonic reading.
func instantOf(t time.Time) instant {
	if d := t.Sub(epoch); d != 0 {
		return instant(d)
	}
	return 1
}

// within reports whether that was less than d ago.
func (i instant) within(d time.Duration) bool {
	return i != 0 && time.Since(epoch)-time.Duration(i) < d
}
