// Package delay is a proxy that makes a server far away: every request waits a
// while before it is forwarded, and answers share a link. With neither it only counts. It keeps Host,
// path and query as they came, so that signatures stay good.
package delay

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Proxy is a running proxy.
type Proxy struct {
	URL string

	o         Options
	link      *rate.Limiter // nil: as fast as it goes
	http      *http.Server
	transport *http.Transport
	wg        sync.WaitGroup

	requests, received, sent atomic.Int64
}

// Options of a proxy; with its zero value it only counts.
type Options struct {
	Delay time.Duration // of each request
	Rate  int           // bytes per second of all answers together; 0 is unlimited
}

// piece is how many bytes pass the link at once.
const piece = 32 << 10

// Counts are what has passed: bytes of bodies.
type Counts struct{ Requests, Received, Sent int64 }

// Start runs a proxy before the server at target, until Close.
func Start(target string, o Options) (*Proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("delay: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("delay: %w", err)
	}
	p := &Proxy{
		URL: "http://" + l.Addr().String(), o: o,
		transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10},
	}
	if o.Rate > 0 {
		p.link = rate.NewLimiter(rate.Limit(o.Rate), piece)
	}
	reverse := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery
		},
		Transport:     p.transport,
		FlushInterval: -1,
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.http = &http.Server{Handler: p.handler(reverse), ReadHeaderTimeout: time.Minute}
	p.wg.Go(func() { _ = p.http.Serve(l) }) // returns when Close closes it
	return p, nil
}

// Close ends the proxy and every request under way.
func (p *Proxy) Close() error {
	err := p.http.Close()
	p.wg.Wait()
	p.transport.CloseIdleConnections()
	return err
}

// Counts so far.
func (p *Proxy) Counts() Counts {
	return Counts{Requests: p.requests.Load(), Received: p.received.Load(), Sent: p.sent.Load()}
}

func (p *Proxy) handler(next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		if !pause(r.Context(), p.o.Delay) {
			panic(http.ErrAbortHandler)
		}
		r.Body = &counted{r.Body, &p.sent}
		next.ServeHTTP(&counting{w, &p.received, r.Context(), p.link}, r)
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// counted counts what a client sends.
type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// counting counts what a client is sent.
type counting struct {
	http.ResponseWriter
	n    *atomic.Int64
	ctx  context.Context // of the request
	link *rate.Limiter
}

// Unwrap lets http.ResponseController flush.
func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *counting) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		next := p
		if c.link != nil {
			next = p[:min(piece, len(p))]
			if err := c.link.WaitN(c.ctx, len(next)); err != nil {
				return written, err
			}
		}
		n, err := c.ResponseWriter.Write(next)
		c.n.Add(int64(n))
		written += n
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}
