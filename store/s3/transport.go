package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"mcfs/store/pace"
)

var (
	// errStalled is the cause of a request that ended because no byte moved.
	errStalled = errors.New("no progress within the time limit")
	// errStranger: somebody on the way answers in the server's place.
	errStranger = errors.New("a web page came instead of an answer: something on the way speaks for the server")
)

const (
	dialTimeout = 5 * time.Second
	bufferSize  = 128 << 10 // per connection and direction: fewer system calls than with 4 KiB
	pacedBuffer = 4 << 10   // where bytes come slowly, S3 must not wait until it is full
	idleTimeout = 30 * time.Second
)

// newTransport is an HTTP/1.1 transport for many large bodies at once: one
// connection per request under way, kept for the next. HTTP/2 would put them
// all into one TCP stream. The TLS settings and the proxy of the
// configuration's client (AWS_CA_BUNDLE) are kept.
func newTransport(client aws.HTTPClient, concurrency int) *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment}
	switch c := client.(type) {
	case *awshttp.BuildableClient:
		t = c.GetTransport()
	case *http.Client:
		if inner, ok := c.Transport.(*http.Transport); ok {
			t = inner.Clone()
		}
	}
	t.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = dialTimeout
	t.ForceAttemptHTTP2 = false
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.NextProtos = nil
	}
	t.MaxIdleConnsPerHost = 2*concurrency + 16 // parts of several files, and small requests between
	t.MaxIdleConns = 0
	t.IdleConnTimeout = idleTimeout
	t.ResponseHeaderTimeout = 0 // the watchdog's
	t.DisableCompression = true // objects are given as they are stored
	t.WriteBufferSize, t.ReadBufferSize = bufferSize, bufferSize
	return t
}

// stayHere lets a transport connect to this machine alone. A name below
// localhost, which a bucket's may be, is asked of the DNS where no hosts file
// has it, and so of whoever answers; and a proxy may be elsewhere.
func stayHere(t *http.Transport) {
	d := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	d.Control = func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err == nil && !to.Addr().Unmap().IsLoopback() {
			err = fmt.Errorf("%s is not on this machine, and the endpoint is http", to.Addr())
		}
		return err
	}
	t.DialContext = d.DialContext
}

// watchdog ends a request that makes no progress: each read of the request's
// body by the connection, the response's header, and each read of the
// response's body that brings bytes counts as progress. While nobody reads
// the response's body, or the request's waits for its turn, the clock stands.
type watchdog struct {
	next    http.RoundTripper
	timeout time.Duration
	pace    *pace.Limiter // of the bodies of PUT
}

func (w *watchdog) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	clock := time.AfterFunc(w.timeout, func() { cancel(errStalled) })
	req := r.WithContext(ctx)
	var body *sending
	if r.Body != nil && r.Body != http.NoBody {
		body = &sending{ReadCloser: r.Body, ctx: ctx, clock: clock, timeout: w.timeout}
		if r.Method == http.MethodPut {
			body.pace = w.pace
		}
		req.Body = body
	}
	resp, err := w.next.RoundTrip(req)
	body.answered()
	clock.Stop()
	if err != nil {
		err = stalled(ctx, err)
		cancel(nil)
		return nil, err
	}
	if stranger(resp) {
		_ = resp.Body.Close()
		cancel(nil)
		return nil, errStranger
	}
	resp.Body = &receiving{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, clock: clock, timeout: w.timeout}
	return resp, nil
}

// stranger knows the pages of a network that wants a login, or of a proxy whose
// server is away. An object may be a web page too, but has an ETag; errors are XML.
func stranger(r *http.Response) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") && r.Header.Get("Etag") == ""
}

// stalled puts the watchdog's cause in the place of what a connection says when it is cancelled.
func stalled(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

type sending struct {
	io.ReadCloser
	ctx     context.Context // of the request
	pace    *pace.Limiter   // nil: at any rate
	timeout time.Duration

	mu    sync.Mutex
	clock *time.Timer // nil: the answer is there
}

// Read gives what may be sent by now. Being asked for more means that what was given before has
// moved, and winds up the clock, which stands while the bytes wait for their turn.
func (b *sending) Read(p []byte) (int, error) {
	if b.stand() {
		b.goOn()
	}
	n, err := b.ReadCloser.Read(p[:b.pace.Piece(len(p))])
	stood := b.stand()
	if late := b.pace.Wait(b.ctx, n); late != nil && err == nil {
		err = late
	}
	if stood {
		b.goOn()
	}
	return n, err
}

// stand stops the clock, and reports whether it ran.
func (b *sending) stand() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clock != nil && b.clock.Stop()
}

// goOn winds the clock up again, unless the answer is there.
func (b *sending) goOn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.clock != nil {
		b.clock.Reset(b.timeout)
	}
}

// answered leaves the clock to the answer.
func (b *sending) answered() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock = nil
}

type receiving struct {
	io.ReadCloser
	ctx     context.Context // of the request
	cancel  context.CancelCauseFunc
	clock   *time.Timer
	timeout time.Duration
}

func (b *receiving) Read(p []byte) (int, error) {
	b.clock.Reset(b.timeout)
	n, err := b.ReadCloser.Read(p)
	b.clock.Stop()
	if err != nil && err != io.EOF {
		err = stalled(b.ctx, err)
	}
	return n, err
}

func (b *receiving) Close() error {
	b.clock.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
