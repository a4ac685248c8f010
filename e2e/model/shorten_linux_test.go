package model

import (
	"slices"
	"time"
)

// shortenFor is how long a failure is made smaller.
const shortenFor = 90 * time.Second

// shorten leaves out of a script that fails whatever it can without losing the
// failure: halves, then quarters, and so on to single steps.
func shorten(script []op, limit time.Duration, fails func([]op) bool) []op {
	deadline := time.Now().Add(limit)
	for size := (len(script) + 1) / 2; size >= 1; {
		shorter := false
		for at := 0; at < len(script) && time.Now().Before(deadline); {
			without := slices.Delete(slices.Clone(script), at, min(at+size, len(script)))
			if fails(without) {
				script, shorter = without, true
			} else {
				at += size
			}
		}
		if time.Now().After(deadline) {
			return script
		}
		if size == 1 && !shorter {
			break
		}
		size = max(1, size/2)
	}
	return script
}
