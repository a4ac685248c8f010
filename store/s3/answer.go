package s3

import (
	"context"
	"fmt"
	"net/http"

	"mcfs/store"
)

// maxAnswer is how much of an answer that is no object's content is read, in
// bytes. The longest that S3 gives is a page of a thousand keys, each of 1,024
// bytes that are escaped by three: four megabytes and some.
const maxAnswer = 16 << 20

// errUnbelievable is about a list that cannot be believed. A change of names that
// needed it is not given up for that.
var errUnbelievable = fmt.Errorf("%w: %w", store.ErrUnavailable, errNonsense)

// contentKey marks the context of a request whose answer is an object's content.
type contentKey struct{}

func wantsContent(ctx context.Context) context.Context {
	return context.WithValue(ctx, contentKey{}, true)
}

// dated has a clock follow the server's. What a cache on the way answers is as old as it says.
type dated struct {
	next  http.RoundTripper
	clock *store.Clock
}

func (d *dated) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(r)
	if err == nil && resp.Header.Get("Age") == "" {
		if date := timeIn(resp.Header, "Date"); date != nil {
			d.clock.Told(*date)
		}
	}
	return resp, err
}

// bounded cuts answers off that would fill the memory: the SDK reads errors
// whole, and what it parses has no limit of its own.
type bounded struct {
	next http.RoundTripper
	most int64 // bytes
}

func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if content := r.Context().Value(contentKey{}) != nil && resp.StatusCode < 300; !content {
		resp.Body = http.MaxBytesReader(nil, resp.Body, b.most)
	}
	return resp, nil
}
