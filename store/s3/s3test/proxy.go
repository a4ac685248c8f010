package s3test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Request is what the proxy saw of one request.
type Request struct {
	Method   string
	Path     string // decoded, with the bucket
	Query    url.Values
	Op       string // S3's name of the operation, e.g. "UploadPart"
	Header   http.Header
	Status   int   // 0 while under way, or if the connection was cut
	Sent     int64 // bytes of the request's body that were forwarded
	Received int64 // bytes of the response's body
	Start    time.Time
	Took     time.Duration
}

// Fault is what happens to a request. The zero value lets it pass.
type Fault struct {
	Delay     time.Duration // before anything else
	Gate      chan struct{} // wait, until it is closed or the client leaves
	Status    int           // answer with this status and Code, do not forward
	Code      string        // S3 error code that goes with Status
	Header    http.Header   // more of the answer that Status begins
	Cut       bool          // close the connection, do not forward
	Lose      bool          // forward it, then close the connection instead of answering
	Hang      bool          // neither forward nor answer until the client leaves
	Truncate  int64         // cut the connection after so many bytes of the response's body
	StallBody bool          // with Truncate: hang there instead of cutting
	Break     Place         // reset the connection there; see break.go
	Silent    bool          // with Break: fall silent there instead
	Garble    Place         // change bytes in the middle of that body
	Shorten   bool          // answer with half of the body, whole by its length
	Page      string        // with Status: answer with this text, a web page unless Header has another type, not with an error
	Straggle  chan struct{} // forward it although the client may leave, its last byte when this is closed
}

// Proxy stands in front of a server and is transparent to signatures: it keeps
// the Host header, the path and the query as they came. It can stand in front of
// a KMS as well, whose actions it knows by name.
type Proxy struct {
	URL string // what clients talk to

	target   *url.URL
	forward  http.RoundTripper
	mu       sync.Mutex
	requests []*Request
	hook     func(Request) Fault
	plans    []*plan
	inFlight atomic.Int64
	peak     atomic.Int64
	behind   atomic.Int64 // requests that the server has
	lag      atomic.Int64 // of them, that wait for their last byte
}

type plan struct {
	op    string
	times int
	fault Fault
}

// Hook is asked about every request, from many goroutines; nil removes it.
func (p *Proxy) Hook(f func(Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = f
}

// Fail applies the fault to the next requests of the operation ("" is any);
// times < 0 means to all of them, until Reset.
func (p *Proxy) Fail(op string, times int, f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plans = append(p.plans, &plan{op, times, f})
}

// Reset forgets hooks, faults and counts.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.hook, p.plans = nil, nil, nil
	p.peak.Store(p.inFlight.Load())
}

// Requests are those that ended or are under way, in the order of arrival.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Request, 0, len(p.requests))
	for _, r := range p.requests {
		out = append(out, *r)
	}
	return out
}

// Ops names the operations in the order of arrival.
func (p *Proxy) Ops() []string {
	var out []string
	for _, r := range p.Requests() {
		out = append(out, r.Op)
	}
	return out
}

// Count is the number of requests of one operation, or of all with "".
func (p *Proxy) Count(op string) int {
	n := 0
	for _, o := range p.Ops() {
		if op == "" || o == op {
			n++
		}
	}
	return n
}

// Peak is the largest number of requests that were under way at once.
func (p *Proxy) Peak() int { return int(p.peak.Load()) }

// Wait blocks until n requests of the operation have arrived; it fails the test after a minute.
func (p *Proxy) Wait(tb testing.TB, op string, n int) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if p.Count(op) >= n {
			return
		}
	}
	tb.Fatalf("saw %d requests of %q, want %d: %v", p.Count(op), op, n, p.Ops())
}

// StartProxy runs a proxy in front of a server until the test ends. Servers may
// have any number of them.
func StartProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	p := &Proxy{}
	p.start(tb, target)
	return p
}

// Settle waits until the server behind has ended what it was asked, also where
// the client has left before; it fails the test after a minute. What hangs by a
// fault does not count.
func (p *Proxy) Settle(tb testing.TB) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); p.behind.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("requests are still under way")
		}
	}
}

func (p *Proxy) start(tb testing.TB, target string) {
	tb.Helper()
	upstream, err := url.Parse(target)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	p.target, p.forward = upstream, &counting{transport, &p.behind}
	reverse := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { // Host stays: it is signed
			r.Out.URL.Scheme, r.Out.URL.Host = upstream.Scheme, upstream.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery
		},
		Transport:     p.forward,
		FlushInterval: -1,
		// The client sees a cut connection, as it would without the proxy.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	// A handler that hangs with a body unread is not told that its client left; the test's end wakes it.
	ctx, cancel := context.WithCancel(context.Background())
	srv := &http.Server{
		Handler: p.handler(reverse), ReadHeaderTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	done := make(chan struct{})
	go func() { // ends when the server is closed
		defer close(done)
		_ = srv.Serve(l)
	}()
	tb.Cleanup(func() {
		cancel()
		_ = srv.Close()
		<-done
		transport.CloseIdleConnections()
	})
	p.URL = "http://" + l.Addr().String()
}

func (p *Proxy) handler(next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		now := p.inFlight.Add(1)
		defer p.inFlight.Add(-1)
		for old := p.peak.Load(); now > old && !p.peak.CompareAndSwap(old, now); old = p.peak.Load() {
		}
		rec, fault := p.record(r)
		out := &watched{ResponseWriter: w, r: r, fault: fault}
		body := &counted{ReadCloser: r.Body}
		r.Body = body
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			rec.Status, rec.Sent, rec.Received = out.status, body.n.Load(), out.n
			rec.Took = time.Since(rec.Start)
		}()
		p.apply(fault, out, r, next)
	}
}

func (p *Proxy) apply(f Fault, w *watched, r *http.Request, next http.Handler) {
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if f.Gate != nil {
		select {
		case <-f.Gate:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Cut:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		refuse(f, w, r)
	case f.Lose:
		next.ServeHTTP(&swallowed{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	case f.Straggle != nil:
		p.straggle(f.Straggle, w, r, next)
	case f.Break != Nowhere:
		p.breakOff(f, w, r)
	case f.Garble == ResponseBody, f.Shorten:
		p.alter(f, w, r)
	case f.Garble == RequestBody:
		r.Body = &garbled{ReadCloser: r.Body, at: r.ContentLength / 2}
		next.ServeHTTP(w, r)
	default:
		next.ServeHTTP(w, r)
	}
}

// refuse answers in the server's place, as S3 or KMS would.
func refuse(f Fault, w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	maps.Copy(w.Header(), f.Header)
	kind, text := "application/xml", "<Error><Code>%s</Code><Message>as the test wants</Message></Error>"
	if r.Header.Get("X-Amz-Target") != "" {
		kind, text = "application/x-amz-json-1.1", `{"__type":"%s","message":"as the test wants"}`
	}
	text = fmt.Sprintf(text, f.Code)
	if f.Page != "" {
		kind, text = "text/html; charset=utf-8", f.Page
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", kind)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(f.Status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, text)
	}
}

func (p *Proxy) record(r *http.Request) (*Request, Fault) {
	rec := &Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Op: operation(r),
		Header: r.Header.Clone(), Start: time.Now(),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, rec)
	for i, pl := range p.plans {
		if pl.op != "" && pl.op != rec.Op {
			continue
		}
		if pl.times--; pl.times == 0 {
			p.plans = slices.Delete(p.plans, i, i+1)
		}
		return rec, pl.fault
	}
	if p.hook == nil {
		return rec, Fault{}
	}
	return rec, p.hook(*rec)
}

// operation gives a request S3's name for it, or KMS's.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
func operation(r *http.Request) string {
	if _, action, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		return action
	}
	q := r.URL.Query()
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if key == "" {
		switch {
		case r.Method == http.MethodGet && q.Has("uploads"):
			return "ListMultipartUploads"
		case r.Method == http.MethodGet && q.Has("list-type"):
			return "ListObjectsV2"
		}
		return r.Method + " bucket"
	}
	upload, copied := q.Has("uploadId"), r.Header.Get("X-Amz-Copy-Source") != ""
	switch {
	case r.Method == http.MethodPut && upload && copied:
		return "UploadPartCopy"
	case r.Method == http.MethodPut && upload:
		return "UploadPart"
	case r.Method == http.MethodPut && copied:
		return "CopyObject"
	case r.Method == http.MethodPut:
		return "PutObject"
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "CreateMultipartUpload"
	case r.Method == http.MethodPost && upload:
		return "CompleteMultipartUpload"
	case r.Method == http.MethodDelete && upload:
		return "AbortMultipartUpload"
	case r.Method == http.MethodDelete:
		return "DeleteObject"
	case r.Method == http.MethodGet && upload:
		return "ListParts"
	case r.Method == http.MethodGet:
		return "GetObject"
	case r.Method == http.MethodHead:
		return "HeadObject"
	}
	return r.Method + " object"
}

// counting counts the requests that the server has not answered.
type counting struct {
	http.RoundTripper
	n *atomic.Int64
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	defer c.n.Add(-1)
	conditional := r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != ""
	if r.Method != http.MethodPut || !conditional || r.ContentLength <= 0 || r.ContentLength > 1<<20 {
		return c.RoundTripper.RoundTrip(r)
	}
	return c.untilAnswered(r)
}

// untilAnswered puts an object under a condition. A server whose condition does
// not hold answers before it has read the body, and resets the connection: the
// answer may be lost to who is still sending. So it is asked again, in order
// that the client behind this proxy sees what the server said.
func (c *counting) untilAnswered(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	for tries := 1; ; tries++ {
		out := r.Clone(r.Context())
		out.Body = io.NopCloser(bytes.NewReader(body))
		resp, err := c.RoundTripper.RoundTrip(out)
		unread := errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
		if !unread || tries == 20 {
			return resp, err
		}
	}
}

// counted counts the bytes of a request.
type counted struct {
	io.ReadCloser
	n atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// watched notes the status and the bytes of a response, and truncates it.
type watched struct {
	http.ResponseWriter
	r      *http.Request
	fault  Fault
	status int
	n      int64
}

// Unwrap lets http.ResponseController flush.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watched) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(p []byte) (int, error) {
	if limit := w.fault.Truncate; limit > 0 && w.n+int64(len(p)) > limit {
		n, _ := w.ResponseWriter.Write(p[:limit-w.n])
		w.n += int64(n)
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		if w.fault.StallBody {
			<-w.r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	}
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	return n, err
}

// swallowed is an answer that gets lost.
type swallowed struct{ header http.Header }

func (s *swallowed) Header() http.Header         { return s.header }
func (s *swallowed) Write(p []byte) (int, error) { return len(p), nil }
func (s *swallowed) WriteHeader(int)             {}
