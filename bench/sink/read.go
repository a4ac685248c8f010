package sink

import (
	"bytes"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
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
	http.ServeContent(w, r, "", o.at, content) // knows ranges and If-Match
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

type listed struct {
	Key, ETag, LastModified string
	Size                    int64
}

type common struct{ Prefix string }

type page struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Contents              []listed
	CommonPrefixes        []common
	KeyCount              int
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
}

// list is ListObjectsV2: a token is the last key or common prefix of the page before.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	most := 1000
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		most = min(max(n, 0), most)
	}
	after := q.Get("start-after")
	if token := q.Get("continuation-token"); token != "" {
		after = token
	}
	s.mu.Lock()
	p := s.page(q.Get("prefix"), q.Get("delimiter"), after, most)
	s.mu.Unlock()
	answer(w, p)
}

// page is the part of a listing that begins behind after; s.mu is held.
func (s *Server) page(prefix, delimiter, after string, most int) page {
	var p page
	keys := s.keys.sorted()
	from, _ := slices.BinarySearch(keys, prefix)
	if after != "" {
		later, found := slices.BinarySearch(keys, after)
		if found {
			later++
		}
		from = max(from, later)
	}
	last := ""
	for _, key := range keys[from:] {
		rest, inside := strings.CutPrefix(key, prefix)
		if !inside {
			break
		}
		group := ""
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			group = prefix + rest[:i+len(delimiter)]
		}
		if group != "" && (group == last || group == after) {
			continue
		}
		if p.KeyCount == most {
			p.IsTruncated, p.NextContinuationToken = true, last
			break
		}
		p.KeyCount++
		if last = key; group != "" {
			last = group
			p.CommonPrefixes = append(p.CommonPrefixes, common{group})
			continue
		}
		o := s.objects[key]
		p.Contents = append(p.Contents, listed{key, o.etag, o.at.UTC().Format(time.RFC3339Nano), o.size})
	}
	return p
}
