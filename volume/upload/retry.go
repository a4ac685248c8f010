package upload

import (
	"context"
	"errors"
	"time"

	"mcfs/store"
	"mcfs/volume/queue"
)

// Backstops for calls of the store, whose own deadlines (of a call without
// progress) are shorter.
const (
	callTimeout     = 2 * time.Minute
	completeTimeout = 15 * time.Minute // S3 puts 10,000 parts together for minutes
	slowestLink     = 16 << 10         // bytes per second
)

// sendTimeout is the backstop for a body of size bytes.
func sendTimeout(size int64) time.Duration {
	return callTimeout + time.Duration(size/slowestLink)*time.Second
}

// pause is how long to wait before trying again after failures in a row
// (counted from 1), the last of which was err: from 0.25 s doubling to 30 s
// where the store is away for a moment, from 5 s to 2 min where somebody must do
// something first (credentials, a policy, a full disk). Up to half is taken off
// at random, so that the parts of many uploads do not come back at once.
func pause(failures int, err error) time.Duration {
	b := queue.Backoff{First: 5 * time.Second, Longest: 2 * time.Minute}
	for _, passing := range []error{store.ErrUnavailable, store.ErrConflict, store.ErrChecksum, context.DeadlineExceeded} {
		if errors.Is(err, passing) {
			b = queue.Backoff{First: 250 * time.Millisecond, Longest: 30 * time.Second}
		}
	}
	return b.After(failures)
}
