package sink

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

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
func (s *Server) allowed(w http.ResponseWriter, r *http.Request, key string) bool {
	o, match := s.objects[key], r.Header.Get("If-Match")
	if r.Header.Get("If-None-Match") == "*" && o != nil || match != "" && (o == nil || o.etag != match) {
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return false
	}
	return true
}

// count notes what arrived for a key; s.mu is held.
func (s *Server) count(key string, size int64) {
	s.counts.Sent += size
	s.sent[key] += size
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, key string) {
	head, size, ok := s.swallow(w, r)
	if !ok {
		return
	}
	sum := md5.Sum(head)
	o := &object{body: head, size: size, meta: metadata(r), etag: `"` + hex.EncodeToString(sum[:]) + `"`, at: time.Now()}
	if size > keeps {
		o.body = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(key, size)
	if !s.allowed(w, r, key) {
		return
	}
	s.hold(key, o)
	w.Header().Set("Etag", o.etag)
}

// hold puts an object in its place; s.mu is held.
func (s *Server) hold(key string, o *object) {
	if s.objects[key] == nil {
		s.keys.add(key)
	}
	s.objects[key] = o
}

func (s *Server) begin(w http.ResponseWriter, r *http.Request, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	id := fmt.Sprintf("upload-%d", s.serial)
	s.uploads[id] = &upload{key: key, meta: metadata(r), parts: make(map[int]int64)}
	answer(w, struct {
		XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
		UploadId string
	}{UploadId: id})
}

func (s *Server) part(w http.ResponseWriter, r *http.Request, key string) {
	number, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidArgument")
		return
	}
	_, size, ok := s.swallow(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(key, size)
	s.counts.LargestPart = max(s.counts.LargestPart, size)
	up := s.uploads[r.URL.Query().Get("uploadId")]
	if up == nil {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	up.parts[number] = size
	w.Header().Set("Etag", partETag(number, size))
}

func partETag(number int, size int64) string { return fmt.Sprintf(`"part-%d-%d"`, number, size) }

func (s *Server) complete(w http.ResponseWriter, r *http.Request, key string) {
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
	o := &object{meta: up.meta, etag: fmt.Sprintf(`"%s-%d"`, id, len(up.parts)), at: time.Now()}
	for _, n := range up.parts {
		o.size += n
	}
	s.hold(key, o)
	answer(w, struct {
		XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
		ETag    string
	}{ETag: o.etag})
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch id := r.URL.Query().Get("uploadId"); {
	case id != "":
		delete(s.uploads, id)
	case s.objects[key] == nil:
	case !s.allowed(w, r, key):
		return
	default:
		delete(s.objects, key)
		s.keys.remove(key)
	}
	w.WriteHeader(http.StatusNoContent)
}
