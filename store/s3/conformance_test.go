package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
	"mcfs/store/storetest"
)

// TestConformance runs the suite against a real server, one prefix per test.
func TestConformance(t *testing.T) {
	server := s3test.Start(t)
	var n atomic.Int32
	storetest.Run(t, func(t *testing.T) store.Store {
		return server.Open(t, fmt.Sprintf("test %d+%%/", n.Add(1)))
	})
}

// TestControlCharacters: those that XML can carry; for the others this server
// lacks the URL encoding of listings (see TestEncodedListing).
func TestControlCharacters(t *testing.T) {
	storetest.RunNames(t, s3test.Start(t).Open(t, "p/"), []string{"new\nline", "tab\t", "del\x7f", "cr\r"})
}

// TestEncodedListing: a server that knows encoding-type=url can list every
// name. versitygw does not know it, so the answer is written here as the
// reference of ListObjectsV2 has it.
func TestEncodedListing(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("encoding-type") != "url" {
			t.Errorf("query %q asks for no encoding", r.URL.RawQuery)
		}
		_, _ = io.WriteString(w, `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>`+
			`<Contents><Key>p/%01+a%2Bb%25</Key><Size>1</Size><ETag>&quot;e&quot;</ETag></Contents>`+
			`<CommonPrefixes><Prefix>p/%07x/</Prefix></CommonPrefixes></ListBucketResult>`)
	}))
	t.Cleanup(srv.Close)
	s, err := s3.New(s3.Options{
		AWS:    aws.Config{Credentials: credentials.NewStaticCredentialsProvider("a", "s", "")},
		Bucket: "b", Prefix: "p/", Endpoint: srv.URL, PathStyle: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.List(t.Context(), "", "/", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Objects) != 1 || page.Objects[0].Key != "\x01 a+b%" || len(page.Prefixes) != 1 || page.Prefixes[0] != "\ax/" {
		t.Errorf("%+v", page)
	}
}
