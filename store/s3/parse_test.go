package s3

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"mcfs/store"
)

// TestTrusted: where a payload may go unsigned.
func TestTrusted(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"": true, "https://s3.example.com": true, "http://127.0.0.1:7070": true, "http://localhost:9000": true, "http://[::1]:1": true,
		"http://127.9.9.9": true, "http://s3.localhost:9000": true, "http://[::ffff:127.0.0.1]:1": true, "http://192.168.1.5:9000": false, "http://s3.example.com": false, "http://localhost.example.com": false,
		"http://127.0.0.1.example.com": false,
	} {
		if got := trusted(endpoint); got != want {
			t.Errorf("%q: %v", endpoint, got)
		}
	}
}

// TestAnswerIsPartOfASentence: what a server has put a full stop behind goes on here.
func TestAnswerIsPartOfASentence(t *testing.T) {
	a := &answer{&smithy.GenericAPIError{Code: "SlowDown", Message: "Please reduce your request rate."}, 503}
	if got := a.Error(); got != "SlowDown: Please reduce your request rate (HTTP 503)" {
		t.Error(got)
	}
}

// TestInClear: http to another machine is refused, wherever the server is named,
// unless the configuration allows it; and what a name server or a proxy makes of
// a local name is not followed elsewhere.
func TestInClear(t *testing.T) {
	for _, tt := range []struct {
		endpoint, ambient string
		allowed, ok       bool
	}{
		{endpoint: "https://s3.example.com", ok: true},
		{endpoint: "http://127.0.0.1:9000", ok: true},
		{ambient: "https://s3.example.com", ok: true},
		{ambient: "http://localhost:9000", ok: true},
		{endpoint: "http://s3.example.com"},
		{ambient: "http://s3.example.com"},
		{ambient: "http://192.0.2.1:9000"},
		{endpoint: "http://s3.example.com", allowed: true, ok: true},
		{ambient: "http://s3.example.com", allowed: true, ok: true},
		{endpoint: "https://s3.example.com", ambient: "http://192.0.2.1", ok: true},
	} {
		o := Options{Bucket: "b", Region: "us-east-1", Endpoint: tt.endpoint, InsecureHTTP: tt.allowed}
		if tt.ambient != "" {
			o.AWS.BaseEndpoint = aws.String(tt.ambient)
		}
		_, err := New(o)
		if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), "insecure_http") {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	transport := newTransport(nil, 1)
	stayHere(transport)
	if _, err := transport.DialContext(t.Context(), "tcp", "192.0.2.1:80"); err == nil || !strings.Contains(err.Error(), "not on this machine") {
		t.Errorf("a connection to another machine: %v", err)
	}
}

// TestWhole: an answer that is not the range that was asked for is refused.
func TestWhole(t *testing.T) {
	for _, tt := range []struct {
		r      store.Range
		header string // "" is none
		length int64
		size   int64 // 0 is refusal
	}{
		{store.Range{}, "", 100, 100},
		{store.Range{Offset: 10, Length: 20}, "bytes 10-29/100", 20, 100},
		{store.Range{Offset: 90, Length: 20}, "bytes 90-99/100", 10, 100},
		{store.Range{Offset: 90}, "bytes 90-99/100", 10, 100},
		{store.Range{Length: 200}, "", 100, 100},
		{store.Range{Offset: 10, Length: 20}, "", 100, 0},
		{store.Range{Length: 20}, "", 100, 0},
		{store.Range{Offset: 10, Length: 20}, "bytes 11-30/100", 20, 0},
		{store.Range{Offset: 10, Length: 20}, "bytes 10-28/100", 19, 0},
		{store.Range{Offset: 10, Length: 20}, "bytes 10-29/100", 19, 0},
		{store.Range{Offset: 10, Length: 20}, "bytes 10-29/*", 20, 0},
	} {
		out := &awss3.GetObjectOutput{ContentLength: aws.Int64(tt.length), ContentRange: opt(tt.header)}
		size, err := whole(out, tt.r)
		if (err == nil) != (tt.size > 0) || size != tt.size {
			t.Errorf("%+v, %q, %d: %d, %v", tt.r, tt.header, tt.length, size, err)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"", "bytes 0-0/1", "bytes 10-29/100", "bytes 5-4/9", "bytes */9", "bytes 0-9/*", "bytes 0-9223372036854775807/9223372036854775807", "bytes +1-2/3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, v string) {
		first, last, size, err := parseContentRange(v)
		if err != nil {
			return
		}
		if first < 0 || first > last || last >= size {
			t.Fatalf("%q is %d-%d/%d", v, first, last, size)
		}
		again := fmt.Sprintf("bytes %d-%d/%d", first, last, size)
		if f2, l2, s2, err := parseContentRange(again); err != nil || f2 != first || l2 != last || s2 != size {
			t.Fatalf("%q came back otherwise", again)
		}
	})
}

func FuzzListedName(f *testing.F) {
	for _, seed := range []string{"", "plain", "a+b", "a%2Bb", "%", "%zz", "a%0Ab", "日本", "%E6%97%A5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if got, err := decoded(&v, ""); err != nil || got != v {
			t.Fatalf("without encoding %q became %q, %v", v, got, err)
		}
		escaped := url.QueryEscape(v)
		if got, err := decoded(&escaped, types.EncodingTypeUrl); err != nil || got != v {
			t.Fatalf("%q became %q, %v", escaped, got, err)
		}
		_, _ = decoded(&v, types.EncodingTypeUrl) // no panic
	})
}

func TestCRC32C(t *testing.T) {
	s := &Store{o: Options{Checksum: ChecksumCRC32C}}
	// "123456789" has the CRC-32C e3069283 (RFC 3720, appendix B.4 uses the same polynomial).
	sum := s.crc32c(0xe3069283)
	if aws.ToString(sum) != "4waSgw==" || parseCRC32C(*sum) != 0xe3069283 {
		t.Errorf("%q", aws.ToString(sum))
	}
	for _, bad := range []string{"", "x", "AAAA", "AAAAAAAA"} {
		if got := parseCRC32C(bad); got != 0 {
			t.Errorf("%q: %x", bad, got)
		}
	}
	if s.o.Checksum = ChecksumNone; s.crc32c(1) != nil {
		t.Error("a checksum is sent where none is wanted")
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no bucket":       {Region: "x"},
		"no region":       {Bucket: "b"},
		"bad checksum":    {Bucket: "b", Region: "x", Checksum: "md5"},
		"bad endpoint":    {Bucket: "b", Endpoint: "localhost:9000"},
		"endless prefix":  {Bucket: "b", Region: "x", Prefix: fmt.Sprintf("%01024d", 0)},
		"another address": {Bucket: "b", Endpoint: "ftp://x"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s, err := New(Options{Bucket: "b", Prefix: "p/", Endpoint: "http://localhost:1"})
	if err != nil || s.Address("k") != "s3://b/p/k" {
		t.Errorf("%v, %v", s, err)
	}
}
