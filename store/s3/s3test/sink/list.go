package sink

import (
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
	EncodingType          string `xml:",omitempty"`
}

// spell writes keys and prefixes as asked for: XML has no words for every character.
func (p *page) spell(encoding string) {
	if encoding != "url" {
		return
	}
	p.EncodingType = encoding
	for i := range p.Contents {
		p.Contents[i].Key = url.QueryEscape(p.Contents[i].Key)
	}
	for i := range p.CommonPrefixes {
		p.CommonPrefixes[i].Prefix = url.QueryEscape(p.CommonPrefixes[i].Prefix)
	}
}

// list is ListObjectsV2: a token is the last key or common prefix of the page
// before, escaped.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	most := 1000
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		most = min(max(n, 0), most)
	}
	after := q.Get("start-after")
	if token := q.Get("continuation-token"); token != "" {
		var err error
		if after, err = url.QueryUnescape(token); err != nil {
			refuse(w, http.StatusBadRequest, "InvalidArgument")
			return
		}
	}
	s.mu.Lock()
	p := s.page(q.Get("prefix"), q.Get("delimiter"), after, most)
	s.mu.Unlock()
	p.spell(q.Get("encoding-type"))
	answer(w, p)
}

// page is the part of a listing that begins behind after; s.mu is held.
func (s *Server) page(prefix, delimiter, after string, most int) page {
	var p page
	keys := s.keys
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
			p.IsTruncated, p.NextContinuationToken = true, url.QueryEscape(last)
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

// listParts answers ListParts, with all parts in one page. mcfs asks it of an upload that it has aborted.
func (s *Server) listParts(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.URL.Query().Get("uploadId")
	up := s.uploads[id]
	if up == nil {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	type part struct {
		PartNumber int
		ETag       string
		Size       int64
	}
	var parts []part
	for _, n := range slices.Sorted(maps.Keys(up.parts)) {
		parts = append(parts, part{n, partETag(n, up.parts[n]), up.parts[n]})
	}
	answer(w, struct {
		XMLName     xml.Name `xml:"ListPartsResult"`
		Upload      string   `xml:"UploadId"`
		IsTruncated bool
		Part        []part
	}{Upload: id, Part: parts})
}
