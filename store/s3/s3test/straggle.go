package s3test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"
)

// straggle has the server begin with a request and go on with it, whether its client
// stays or not; the last byte of the body comes when the gate is opened.
func (p *Proxy) straggle(gate chan struct{}, w http.ResponseWriter, r *http.Request, next http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 {
		panic(http.ErrAbortHandler)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
	defer cancel()
	last := len(body) - 1
	out := r.Clone(ctx)
	out.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:last]), &late{ctx: ctx, p: p, gate: gate}, bytes.NewReader(body[last:])))
	next.ServeHTTP(w, out)
}

// late is a reader without bytes whose end waits for the gate.
type late struct {
	ctx  context.Context
	p    *Proxy
	gate chan struct{}
}

func (l *late) Read([]byte) (int, error) {
	l.p.lag.Add(1)
	defer l.p.lag.Add(-1)
	select {
	case <-l.gate:
		return 0, io.EOF
	case <-l.ctx.Done():
		return 0, l.ctx.Err()
	}
}

// AwaitStragglers waits until the server waits for the last byte of n requests; it fails
// the test after 30 s.
func (p *Proxy) AwaitStragglers(tb testing.TB, n int) {
	tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); p.lag.Load() < int64(n); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("the server is at work on %d requests, want %d", p.lag.Load(), n)
		}
	}
}
