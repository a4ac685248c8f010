package sink

import (
	"bytes"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"sync/atomic"
)

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

func (s *Server) get(w http.ResponseWriter, r *http.Request, key string) {
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
		content = bytes.NewReader(o.body)
	}
	http.ServeContent(&counted{w, &s.served}, r, "", o.at, content) // knows ranges and If-Match
}

// counted counts what is written.
type counted struct {
	http.ResponseWriter
	served *atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.served.Add(int64(n))
	return n, err
}

// bucket answers what is asked of the bucket as a whole.
func (s *Server) bucket(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodHead:
	case r.Method == http.MethodGet && q.Has("uploads"):
		s.listUploads(w)
	case r.Method == http.MethodGet && q.Has("list-type"):
		s.list(w, r)
	default:
		s.unknown(w, r)
	}
}

func (s *Server) listUploads(w http.ResponseWriter) {
	type pending struct{ Key, UploadId string }
	var all struct {
		XMLName xml.Name `xml:"ListMultipartUploadsResult"`
		Upload  []pending
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, up := range s.uploads {
		all.Upload = append(all.Upload, pending{up.key, id})
	}
	answer(w, all)
}
