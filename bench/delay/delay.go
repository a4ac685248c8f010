// Package delay is a proxy that makes a server far away: every request waits a
// while before it is forwarded. With no delay it only counts. It keeps Host,
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
)

// Proxy is a running proxy.
type Proxy struct {
	URL string

	delay     time.Duration
	http      *http.Server
	transport *http.Transport
	wg        sync.WaitGroup

	requests, received, sent atomic.Int64
}

// Counts are what has passed: bytes of bodies.
type Counts struct{ Requests, Received, Sent int64 }

// Start runs a proxy before the server at target, until Close.
func Start(target string, d time.Duration) (*Proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("delay: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("delay: %w", err)
	}
	p := &Proxy{
		URL: "http://" + l.Addr().String(), delay: d,
		transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10},
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
		if !pause(r.Context(), p.delay) {
			panic(http.ErrAbortHandler)
		}
		r.Body = &counted{r.Body, &p.sent}
		next.ServeHTTP(&counting{w, &p.received}, r)
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
	n *atomic.Int64
}

// Unwrap lets http.ResponseController flush.
func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}
