package rig

import (
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// list answers ListObjectsV2 and ListMultipartUploads, each in one page.
func (s *Sink) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.Has("uploads") {
		type upload struct{ Key, UploadId string }
		var all struct {
			XMLName xml.Name `xml:"ListMultipartUploadsResult"`
			Upload  []upload
		}
		for id, up := range s.uploads {
			all.Upload = append(all.Upload, upload{up.key, id})
		}
		answerXML(w, all)
		return
	}
	type content struct {
		Key, ETag, LastModified string
		Size                    int64
	}
	type prefix struct{ Prefix string }
	var page struct {
		XMLName        xml.Name `xml:"ListBucketResult"`
		Contents       []content
		CommonPrefixes []prefix
		IsTruncated    bool
		EncodingType   string
	}
	written := func(key string) string { return key }
	if page.EncodingType = q.Get("encoding-type"); page.EncodingType == "url" { // XML has no words for every character
		written = url.QueryEscape
	}
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		rest, ok := strings.CutPrefix(key, q.Get("prefix"))
		if !ok || key <= q.Get("start-after") {
			continue
		}
		if d := q.Get("delimiter"); d != "" {
			if i := strings.Index(rest, d); i >= 0 {
				p := prefix{written(q.Get("prefix") + rest[:i+len(d)])}
				if !slices.Contains(page.CommonPrefixes, p) {
					page.CommonPrefixes = append(page.CommonPrefixes, p)
				}
				continue
			}
		}
		o := s.objects[key]
		page.Contents = append(page.Contents, content{written(key), o.etag, o.at.UTC().Format(time.RFC3339Nano), o.size})
	}
	answerXML(w, page)
}
