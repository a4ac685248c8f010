// Package sink is an S3 server that costs next to nothing: it reads what is PUT
// and forgets it, so that what is measured against it is the client alone, and
// files can be written that no disk here could hold. It knows multipart uploads,
// conditions, ranges and pages of listings, as far as mcfs asks for them; it
// checks no signature.
//
// Objects of up to 64 KiB it keeps, sidecars among them; longer ones come back
// as zeros. It can hold the bytes that arrive to a rate, for the whole server,
// and it counts bytes and requests.
package sink

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Bucket is the one that there is.
const Bucket = "sink"

const keeps = 64 << 10 // bytes of an object that are kept

// Options of a sink; the zero value is useful.
type Options struct {
	Rate   int64 // bytes per second that arrive, in all; 0 is unlimited
	Verify bool  // refuses, and counts as a fault, a body without its CRC-32C
}

// Server is a running sink.
type Server struct {
	URL string

	o      Options
	http   *http.Server
	limit  *limiter
	wg     sync.WaitGroup
	served atomic.Int64

	mu      sync.Mutex
	objects map[string]*object
	keys    index
	uploads map[string]*upload
	serial  int
	counts  Counts
	sent    map[string]int64
}

// Counts are what came and went.
type Counts struct {
	Requests    int
	Sent        int64    // bytes of objects and parts that arrived
	LargestPart int64    // bytes
	Served      int64    // bytes of objects that left
	Objects     int      // there now
	Uploads     int      // unfinished now
	Faults      []string // requests that are not known here, bodies that are not what they should be
}

type object struct {
	body []byte // nil: zeros
	size int64
	meta http.Header
	etag string
	at   time.Time
}

type upload struct {
	key   string
	meta  http.Header
	parts map[int]int64
}

// Start runs a sink on a free port of 127.0.0.1 until Close.
func Start(o Options) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	s := &Server{
		URL: "http://" + l.Addr().String(), o: o, limit: newLimiter(o.Rate),
		objects: make(map[string]*object), uploads: make(map[string]*upload), sent: make(map[string]int64),
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, ConnState: boundBuffer}
	s.wg.Go(func() { _ = s.http.Serve(l) }) // returns when Close closes it
	return s, nil
}

// boundBuffer keeps the kernel from taking megabytes that the client will never
// read: they would count as served.
func boundBuffer(c net.Conn, state http.ConnState) {
	if tcp, ok := c.(*net.TCPConn); ok && state == http.StateNew {
		_ = tcp.SetWriteBuffer(1 << 20) // without it the counts are less exact
	}
}

// Close ends the server and every request under way.
func (s *Server) Close() error {
	err := s.http.Close()
	s.wg.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Counts so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Served, c.Objects, c.Uploads = s.served.Load(), len(s.objects), len(s.uploads)
	c.Faults = slices.Clone(c.Faults)
	return c
}

// Hold puts an object there: body, which must not change from now on, or size
// zeros if body is nil.
func (s *Server) Hold(key string, body []byte, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if body != nil {
		size = int64(len(body))
	}
	s.serial++
	s.hold(key, &object{body: body, size: size, meta: http.Header{}, etag: fmt.Sprintf(`"held-%d"`, s.serial), at: time.Now()})
}

// Sent is how many bytes arrived for a key, in whatever attempts.
func (s *Server) Sent(key string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent[key]
}

// Size is that of an object; -1 if there is none.
func (s *Server) Size(key string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects[key]; o != nil {
		return o.size
	}
	return -1
}

// ServeHTTP speaks as much of S3 as is asked for here.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.counts.Requests++
	s.mu.Unlock()
	key, inBucket := strings.CutPrefix(r.URL.Path, "/"+Bucket+"/")
	q := r.URL.Query()
	switch {
	case !inBucket || key == "":
		s.bucket(w, r)
	case r.Method == http.MethodPut && q.Has("uploadId"):
		s.part(w, r, key)
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") == "":
		s.put(w, r, key)
	case r.Method == http.MethodPost && q.Has("uploads"):
		s.begin(w, r, key)
	case r.Method == http.MethodPost && q.Has("uploadId"):
		s.complete(w, r, key)
	case r.Method == http.MethodDelete:
		s.remove(w, r, key)
	case r.Method == http.MethodGet && q.Has("uploadId"):
		s.listParts(w, r)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		s.get(w, r, key)
	default:
		s.unknown(w, r)
	}
}

func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	s.fault("%s %s is not known here", r.Method, r.URL)
	refuse(w, http.StatusNotImplemented, "NotImplemented")
}

func (s *Server) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Faults = append(s.counts.Faults, fmt.Sprintf(format, args...))
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(v) // a client that went away is its own affair
}
