package rig

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Sink is an S3 server for files that no disk here could hold: it takes content,
// checks its CRC-32C, and forgets the bytes of whatever is longer than a
// sidecar. It serves zeros in their place. Small objects it keeps.
type Sink struct {
	URL    string
	Bucket string

	mu      sync.Mutex
	objects map[string]*sunk
	uploads map[string]*sinkUpload
	serial  int
	faults  []string
	sent    atomic.Int64
}

const sinkKeeps = 64 << 10 // bytes of an object; longer ones are zeros

type sunk struct {
	body []byte // nil: zeros
	size int64
	meta http.Header
	etag string
	at   time.Time
}

type sinkUpload struct {
	key   string
	meta  http.Header
	parts map[int]int64
}

// StartSink runs a sink until the test ends.
func StartSink(tb testing.TB) *Sink {
	tb.Helper()
	s := &Sink{Bucket: "sink", objects: make(map[string]*sunk), uploads: make(map[string]*sinkUpload)}
	server := httptest.NewUnstartedServer(s)
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if tcp, ok := c.(*net.TCPConn); ok && state == http.StateNew {
			_ = tcp.SetWriteBuffer(1 << 20)
		}
	}
	server.Start()
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		for _, f := range s.faults {
			tb.Errorf("sink: %s", f)
		}
	})
	s.URL = server.URL
	return s
}

// Hold puts an object there: body, or size bytes of zeros if body is nil.
func (s *Sink) Hold(key string, body []byte, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if body != nil {
		size = int64(len(body))
	}
	s.serial++
	s.objects[key] = &sunk{body: body, size: size, meta: http.Header{}, etag: fmt.Sprintf(`"held-%d"`, s.serial), at: time.Now()}
}

// Size is that of an object; -1 if there is none.
func (s *Sink) Size(key string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects[key]; o != nil {
		return o.size
	}
	return -1
}

// Sent is how many bytes of objects were served.
func (s *Sink) Sent() int64 { return s.sent.Load() }

// Count is the number of objects.
func (s *Sink) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.objects)
}

// Uploads counts the unfinished ones.
func (s *Sink) Uploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

// ServeHTTP speaks as much of S3 as mcfs asks for.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, inBucket := strings.CutPrefix(r.URL.Path, "/"+s.Bucket+"/")
	q := r.URL.Query()
	switch {
	case !inBucket || key == "":
		s.list(w, r)
	case r.Method == http.MethodPut && q.Has("uploadId"):
		s.part(w, r)
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") == "":
		s.put(w, r, key)
	case r.Method == http.MethodPost && q.Has("uploads"):
		s.begin(w, r, key)
	case r.Method == http.MethodPost && q.Has("uploadId"):
		s.complete(w, r, key)
	case r.Method == http.MethodDelete:
		s.remove(w, r, key)
	case r.Method == http.MethodGet && !q.Has("uploadId"), r.Method == http.MethodHead:
		s.get(w, r, key)
	default:
		s.fault("%s %s is not known here", r.Method, r.URL)
		refuse(w, http.StatusNotImplemented, "NotImplemented")
	}
}

func (s *Sink) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
}

func answerXML(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(v)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var sinkBuffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// swallow reads a body, checks its CRC-32C, and returns its beginning.
func (s *Sink) swallow(w http.ResponseWriter, r *http.Request) (head []byte, size int64, ok bool) {
	array := sinkBuffers.Get().(*[256 << 10]byte)
	defer sinkBuffers.Put(array)
	buf := array[:]
	sum := uint32(0)
	for {
		n, err := r.Body.Read(buf)
		sum = crc32.Update(sum, castagnoli, buf[:n])
		if size < sinkKeeps {
			head = append(head, buf[:n]...)
		}
		size += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, 0, false // the client went away
		}
	}
	want := r.Header.Get("X-Amz-Checksum-Crc32c")
	got := base64.StdEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	if got != want {
		s.fault("%s %s: CRC-32C is %q, not %q", r.Method, r.URL, want, got)
		refuse(w, http.StatusBadRequest, "BadDigest")
		return nil, 0, false
	}
	w.Header().Set("X-Amz-Checksum-Crc32c", got)
	return head, size, true
}

func metadata(r *http.Request) http.Header {
	meta := http.Header{}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Amz-Meta-") || name == "Content-Type" {
			meta[name] = values
		}
	}
	return meta
}

// allowed checks the conditions of a write; s.mu is held.
func (s *Sink) allowed(w http.ResponseWriter, r *http.Request, key string) bool {
	o := s.objects[key]
	if r.Header.Get("If-None-Match") == "*" && o != nil || r.Header.Get("If-Match") != "" && (o == nil || o.etag != r.Header.Get("If-Match")) {
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return false
	}
	return true
}

func (s *Sink) put(w http.ResponseWriter, r *http.Request, key string) {
	head, size, ok := s.swallow(w, r)
	if !ok {
		return
	}
	if size > sinkKeeps {
		head = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.allowed(w, r, key) {
		return
	}
	sum := md5.Sum(head)
	o := &sunk{body: head, size: size, meta: metadata(r), etag: `"` + hex.EncodeToString(sum[:]) + `"`, at: time.Now()}
	s.objects[key] = o
	w.Header().Set("Etag", o.etag)
}

func (s *Sink) begin(w http.ResponseWriter, r *http.Request, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	id := fmt.Sprintf("upload-%d", s.serial)
	s.uploads[id] = &sinkUpload{key: key, meta: metadata(r), parts: make(map[int]int64)}
	answerXML(w, struct {
		XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
		UploadId string
	}{UploadId: id})
}

func (s *Sink) part(w http.ResponseWriter, r *http.Request) {
	_, size, ok := s.swallow(w, r)
	if !ok {
		return
	}
	number, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
	s.mu.Lock()
	defer s.mu.Unlock()
	up := s.uploads[r.URL.Query().Get("uploadId")]
	if up == nil || err != nil {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	up.parts[number] = size
	w.Header().Set("Etag", fmt.Sprintf(`"part-%d-%d"`, number, size))
}

func (s *Sink) complete(w http.ResponseWriter, r *http.Request, key string) {
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.URL.Query().Get("uploadId")
	up := s.uploads[id]
	if up == nil {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	if !s.allowed(w, r, key) {
		return
	}
	delete(s.uploads, id)
	o := &sunk{meta: up.meta, etag: fmt.Sprintf(`"%s-%d"`, id, len(up.parts)), at: time.Now()}
	for _, n := range up.parts {
		o.size += n
	}
	s.objects[key] = o
	answerXML(w, struct {
		XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
		ETag    string
	}{ETag: o.etag})
}

func (s *Sink) remove(w http.ResponseWriter, r *http.Request, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := r.URL.Query().Get("uploadId"); id != "" {
		delete(s.uploads, id)
	} else if s.objects[key] != nil && s.allowed(w, r, key) {
		delete(s.objects, key)
	} else if s.objects[key] != nil {
		return // refused
	}
	w.WriteHeader(http.StatusNoContent)
}

// zeros are as many zeros as somebody reads.
type zeros struct{ size, at int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.at >= z.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), z.size-z.at))
	clear(p[:n])
	z.at += int64(n)
	return n, nil
}

func (z *zeros) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += z.at
	case io.SeekEnd:
		offset += z.size
	}
	z.at = offset
	return offset, nil
}

func (s *Sink) get(w http.ResponseWriter, r *http.Request, key string) {
	s.mu.Lock()
	o := s.objects[key]
	s.mu.Unlock()
	if o == nil {
		refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	maps.Copy(w.Header(), o.meta)
	w.Header().Set("Etag", o.etag)
	var content io.ReadSeeker = &zeros{size: o.size}
	if o.body != nil {
		content = strings.NewReader(string(o.body))
	}
	http.ServeContent(&counted{w, &s.sent}, r, "", o.at, content) // knows ranges and If-Match
}

// counted counts what is written.
type counted struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.sent.Add(int64(n))
	return n, err
}
