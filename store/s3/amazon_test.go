package s3

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"mcfs/store"
	"mcfs/store/storetest"
)

// amazon is a server under each name that is asked for, and what it was asked.
type amazon struct {
	mu    sync.Mutex
	asked []*http.Request
}

func (a *amazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked = append(a.asked, r)
	a.mu.Unlock()
	w.Header().Set("ETag", `"e"`)
	w.Header().Set("Last-Modified", "Mon, 02 Mar 2026 03:04:05 GMT")
	switch {
	case r.URL.Query().Has("uploads"):
		fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
	case r.URL.Query().Has("uploadId") && r.Method == http.MethodPost:
		fmt.Fprint(w, "<CompleteMultipartUploadResult><ETag>&quot;e&quot;</ETag></CompleteMultipartUploadResult>")
	case r.Header.Get("X-Amz-Copy-Source") != "" && r.URL.Query().Has("partNumber"):
		fmt.Fprint(w, "<CopyPartResult><ETag>&quot;e&quot;</ETag></CopyPartResult>")
	case r.Header.Get("X-Amz-Copy-Source") != "":
		fmt.Fprint(w, "<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>")
	}
}

// openAmazon opens a store without an endpoint of its own. Whatever host it asks is this server.
func openAmazon(t *testing.T, change func(*Options)) (*Store, *amazon) {
	t.Helper()
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		t.Setenv(name, "")
	}
	a := &amazon{}
	server := httptest.NewTLSServer(a)
	t.Cleanup(server.Close)
	key := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "secret"}, nil
	})
	o := Options{AWS: aws.Config{Credentials: key}, Bucket: "ingest", Prefix: "p/", Region: "us-west-2"}
	change(&o)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // its certificate has another name
	s.transport.Proxy = nil
	s.transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	return s, a
}

// useAll makes each kind of request, those of the short way twice.
func useAll(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	for range 2 {
		if _, err := s.Put(ctx, "k", storetest.BodyOf([]byte("x")), store.Attributes{}, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Head(ctx, "k"); err != nil {
			t.Fatal(err)
		}
	}
	up, err := s.Begin(ctx, "k", store.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := s.PutPart(ctx, up, 1, storetest.BodyOf([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Complete(ctx, up, []store.Part{part}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	whole := store.Copy{Source: "k", SourceIfMatch: `"e"`, Target: "c", Size: 1}
	byParts := whole
	byParts.Condition = store.Condition{IfNone: true}
	for _, c := range []store.Copy{whole, byParts} {
		if _, err := s.Copy(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
}

// short reports whether a request went without the SDK.
func short(r *http.Request) bool { return r.Header.Get("Amz-Sdk-Invocation-Id") == "" }

// TestAddresses: each request goes to the address that was chosen, also on the short way, which
// learns it from the first.
func TestAddresses(t *testing.T) {
	for host, choice := range map[string]Amazon{
		"ingest.s3.us-west-2.amazonaws.com":                {},
		"ingest.s3.dualstack.us-west-2.amazonaws.com":      {DualStack: true},
		"ingest.s3-fips.us-west-2.amazonaws.com":           {FIPS: true},
		"ingest.s3-fips.dualstack.us-west-2.amazonaws.com": {FIPS: true, DualStack: true},
		"ingest.s3-accelerate.amazonaws.com":               {Accelerate: true},
		"ingest.s3-accelerate.dualstack.amazonaws.com":     {Accelerate: true, DualStack: true},
	} {
		s, a := openAmazon(t, func(o *Options) { o.Amazon = choice })
		useAll(t, s)
		for _, r := range a.asked {
			if r.Host != host || !strings.HasPrefix(r.URL.Path, "/p/") {
				t.Errorf("%+v: %s asks %s for %s, by the SDK %v", choice, r.Method, r.Host, r.URL.Path, !short(r))
			}
			if scope := r.Header.Get("Authorization"); !strings.Contains(scope, "/us-west-2/s3/") {
				t.Errorf("%+v: signed for %s", choice, scope)
			}
		}
		if !slices.ContainsFunc(a.asked, short) {
			t.Errorf("%+v: no request went the short way", choice)
		}
	}
}

// TestMarks: whatever is born, by a put, an upload or a copy, has tags and a lock, and a checksum,
// without which S3 locks nothing.
func TestMarks(t *testing.T) {
	s, a := openAmazon(t, func(o *Options) {
		o.Tags = map[string]string{"project": "show 7+1", "größe": "a=b", "empty": ""}
		o.LockMode, o.LockFor = "COMPLIANCE", 7*24*time.Hour
	})
	first := time.Now().Add(7 * 24 * time.Hour).Truncate(time.Second)
	useAll(t, s)
	last := time.Now().Add(7 * 24 * time.Hour)
	born := map[string]int{}
	for _, r := range a.asked {
		kind := kindOf(r)
		if !slices.Contains([]string{"put", "short put", "begin", "copy"}, kind) {
			for name := range r.Header {
				if strings.HasPrefix(name, "X-Amz-Tagging") || strings.HasPrefix(name, "X-Amz-Object-Lock") {
					t.Errorf("%s: %s", kind, name)
				}
			}
			continue
		}
		born[kind]++
		if got, want := r.Header.Get("X-Amz-Tagging"), "empty=&gr%C3%B6%C3%9Fe=a%3Db&project=show%207%2B1"; got != want {
			t.Errorf("%s: tags %q, not %q", kind, got, want)
		}
		if got := r.Header.Get("X-Amz-Tagging-Directive"); (got == "REPLACE") != (kind == "copy") {
			t.Errorf("%s: directive %q", kind, got)
		}
		until, err := time.Parse(time.RFC3339, r.Header.Get("X-Amz-Object-Lock-Retain-Until-Date"))
		if mode := r.Header.Get("X-Amz-Object-Lock-Mode"); mode != "COMPLIANCE" || err != nil || until.Before(first) || until.After(last) {
			t.Errorf("%s: lock %q until %v, %v", kind, mode, until, err)
		}
		if sum := r.Header.Get("X-Amz-Checksum-Crc32c"); strings.HasSuffix(kind, "put") && sum == "" {
			t.Errorf("%s: no checksum", kind)
		}
	}
	if born["put"] != 1 || born["short put"] != 1 || born["begin"] != 2 || born["copy"] != 1 {
		t.Errorf("born: %v", born)
	}
}

func kindOf(r *http.Request) string {
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && query.Has("uploads"):
		return "begin"
	case r.Method != http.MethodPut || query.Has("partNumber"):
		return "other"
	case r.Header.Get("X-Amz-Copy-Source") != "":
		return "copy"
	case short(r):
		return "short put"
	}
	return "put"
}

// TestNoMarks: without tags and lock nothing is said of any, and a copy has its source's tags.
func TestNoMarks(t *testing.T) {
	s, a := openAmazon(t, func(*Options) {})
	useAll(t, s)
	for _, r := range a.asked {
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Amz-Tagging") || strings.HasPrefix(name, "X-Amz-Object-Lock") {
				t.Errorf("%s %s: %s", r.Method, r.URL, name)
			}
		}
	}
}

// TestLockWithoutChecksum: S3 refuses it, and so does New.
func TestLockWithoutChecksum(t *testing.T) {
	_, err := New(Options{Bucket: "b", Region: "us-west-2", Checksum: ChecksumNone, Marks: Marks{LockMode: "GOVERNANCE", LockFor: time.Hour}})
	if err == nil || !strings.Contains(err.Error(), "remove store.object_lock_mode, or upload.checksum") {
		t.Error(err)
	}
}
