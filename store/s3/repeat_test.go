package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"mcfs/store"
	"mcfs/store/s3/s3test"
	"mcfs/store/storetest"
)

// TestCompleteRepeated: an answer to a repeated Complete is believed if the object is there.
func TestCompleteRepeated(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	s := open(t, server, nil)
	for _, arrives := range []bool{true, false} {
		key := fmt.Sprintf("arrives %t", arrives)
		up, err := s.Begin(t.Context(), key, store.Attributes{})
		if err != nil {
			t.Fatal(err)
		}
		part, err := s.PutPart(t.Context(), up, 1, storetest.BodyOf([]byte("content")))
		if err != nil {
			t.Fatal(err)
		}
		etag := `"0123456789abcdef0123456789abcdef-1"`
		first := s3test.Fault{Cut: true}
		if arrives {
			// What the server will answer, from an upload of the same part.
			twin, err := s.Begin(t.Context(), "twin", store.Attributes{})
			if err != nil {
				t.Fatal(err)
			}
			same, err := s.PutPart(t.Context(), twin, 1, storetest.BodyOf([]byte("content")))
			if err != nil {
				t.Fatal(err)
			}
			info, err := s.Complete(t.Context(), twin, []store.Part{same}, store.Condition{})
			if err != nil {
				t.Fatal(err)
			}
			etag, first = info.ETag, s3test.Fault{Lose: true}
		}
		server.Proxy.Reset()
		server.Proxy.Fail("CompleteMultipartUpload", 1, first)
		server.Proxy.Fail("CompleteMultipartUpload", 1, s3test.Fault{
			Status: 200, Header: http.Header{"Content-Type": {"application/xml"}},
			Page: fmt.Sprintf("<CompleteMultipartUploadResult><Key>p/k</Key><ETag>%s</ETag></CompleteMultipartUploadResult>", etag),
		})
		info, err := s.Complete(t.Context(), up, []store.Part{part}, store.Condition{})
		if arrives && (err != nil || info.ETag != etag) {
			t.Errorf("%s: %v, %v", key, info, err)
		}
		if !arrives && !errors.Is(err, store.ErrNoUpload) {
			t.Errorf("%s: %v, %v", key, info, err)
		}
	}
}
