package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"mcfs/store"
)

// A server that wants to harm: what it answers is given by a function, in memory.
type scripted func(r *http.Request) (status int, header http.Header, body io.Reader)

func (f scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	status, header, body := f(r)
	if header == nil {
		header = http.Header{}
	}
	resp := &http.Response{
		StatusCode: status, Status: fmt.Sprint(status, " x"), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(body), ContentLength: -1, Request: r,
	}
	if b, ok := body.(*bytes.Reader); ok {
		resp.ContentLength = b.Size()
		header.Set("Content-Length", fmt.Sprint(b.Size()))
	}
	return resp, nil
}

func hostile(tb testing.TB, f scripted) *Store {
	tb.Helper()
	key := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "secret"}, nil
	})
	s, err := New(Options{AWS: aws.Config{Credentials: key}, Bucket: "b", Prefix: "p/", Endpoint: "http://127.0.0.1:1", PathStyle: true})
	if err != nil {
		tb.Fatal(err)
	}
	s.transport.RegisterProtocol("http", f)
	// The waits between tries would be most of the time.
	s.client = awss3.New(s.client.Options(), func(o *awss3.Options) { o.Retryer = aws.NopRetryer{} })
	return s
}

// endless repeats a text, and counts.
type endless struct {
	text string
	at   int
	read *atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k := copy(p[n:], e.text[e.at:])
		n, e.at = n+k, (e.at+k)%len(e.text)
	}
	e.read.Add(int64(n))
	return n, nil
}

var operations = []struct {
	name string
	do   func(context.Context, *Store) error
}{
	{"list", func(ctx context.Context, s *Store) error {
		_, err := s.List(ctx, "", "/", "", 0)
		return err
	}},
	{"head", func(ctx context.Context, s *Store) error {
		_, err := s.Head(ctx, "k")
		return err
	}},
	{"get", func(ctx context.Context, s *Store) error {
		body, _, err := s.Get(ctx, "k", store.Range{Offset: 2, Length: 10}, "")
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.Copy(io.Discard, body)
		return err
	}},
	{"put", func(ctx context.Context, s *Store) error {
		_, err := s.Put(ctx, "k", store.Body{ReadSeeker: strings.NewReader("x"), Size: 1}, store.Attributes{}, store.Condition{})
		return err
	}},
	{"delete", func(ctx context.Context, s *Store) error { return s.Delete(ctx, "k", store.Condition{IfMatch: `"e"`}) }},
	{"copy", func(ctx context.Context, s *Store) error {
		_, err := s.Copy(ctx, store.Copy{Source: "k", SourceIfMatch: `"e"`, Target: "c", Size: 1})
		return err
	}},
	{"begin", func(ctx context.Context, s *Store) error {
		_, err := s.Begin(ctx, "k", store.Attributes{})
		return err
	}},
	{"part", func(ctx context.Context, s *Store) error {
		_, err := s.PutPart(ctx, store.Upload{Key: "k", ID: "u"}, 1, store.Body{ReadSeeker: strings.NewReader("x"), Size: 1})
		return err
	}},
	{"complete", func(ctx context.Context, s *Store) error {
		_, err := s.Complete(ctx, store.Upload{Key: "k", ID: "u"}, []store.Part{{Number: 1, ETag: `"e"`, Size: 1}}, store.Condition{})
		return err
	}},
	{"uploads", func(ctx context.Context, s *Store) error {
		_, err := s.Uploads(ctx, "")
		return err
	}},
	{"parts", func(ctx context.Context, s *Store) error {
		_, err := s.Parts(ctx, store.Upload{Key: "k", ID: "u"})
		return err
	}},
}

// TestAnswersThatNeverEnd: no more is read of one than its limit, and the call fails. HEAD has no body, and a GET ends with what it promised.
func TestAnswersThatNeverEnd(t *testing.T) {
	const entry = "<Contents><Key>p/a</Key><Size>1</Size></Contents>"
	for _, status := range []int{200, 403, 500} {
		for _, op := range operations {
			if op.name == "head" || op.name == "get" && status == 200 {
				continue
			}
			var read atomic.Int64
			s := hostile(t, func(r *http.Request) (int, http.Header, io.Reader) {
				h := http.Header{"Etag": {`"e"`}}
				return status, h, io.MultiReader(strings.NewReader("<ListBucketResult>"), &endless{text: entry, read: &read})
			})
			s.answers.most = 1 << 20
			err := op.do(t.Context(), s)
			if limit := int64(2 * (s.answers.most + 1<<20)); read.Load() > limit {
				t.Errorf("%s, %d: %d MiB were read", op.name, status, read.Load()>>20)
			}
			if err == nil && status >= 300 {
				t.Errorf("%s, %d: no error", op.name, status)
			}
			if op.name == "list" && err == nil {
				t.Error("an endless page is taken for one")
			}
		}
	}
}

// TestGetReadsNoMoreThanItAskedFor, whatever the server says of lengths.
func TestGetReadsNoMoreThanItAskedFor(t *testing.T) {
	var read atomic.Int64
	header := http.Header{}
	s := hostile(t, func(*http.Request) (int, http.Header, io.Reader) {
		return 206, header.Clone(), &endless{text: "x", read: &read}
	})
	get := func() error { // of 10 bytes at 2
		read.Store(0)
		return operations[2].do(t.Context(), s)
	}
	for _, h := range []http.Header{
		{},
		{"Content-Length": {"10"}, "Content-Range": {"bytes 3-12/100"}},
		{"Content-Length": {"11"}, "Content-Range": {"bytes 2-12/100"}},
		{"Content-Length": {"10"}, "Content-Range": {"bytes 2-11/11"}},
		{"Content-Length": {"-10"}, "Content-Range": {"bytes 2-11/100"}},
		{"Content-Length": {"9223372036854775807"}, "Content-Range": {"bytes 2-9223372036854775806/9223372036854775807"}},
	} {
		header = h
		if err := get(); err == nil || read.Load() > 1<<20 {
			t.Errorf("%v: %v, %d bytes were read", h, err, read.Load())
		}
	}
}

// TestListsThatMakeNoSense: each is refused as a whole.
func TestListsThatMakeNoSense(t *testing.T) {
	const head = `<ListBucketResult><EncodingType>url</EncodingType>`
	for name, body := range map[string]string{
		"empty":                   "",
		"garbage":                 "\x00\xff\x1b[31m garbage",
		"another document":        "<html><body>Welcome to the hotel's network</body></html>",
		"cut short":               head + "<Contents><Key>p/a</Key>",
		"a key outside":           head + "<Contents><Key>q/a</Key><Size>1</Size></Contents></ListBucketResult>",
		"a prefix outside":        head + "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes></ListBucketResult>",
		"a negative size":         head + "<Contents><Key>p/a</Key><Size>-5</Size></Contents></ListBucketResult>",
		"a size beyond numbers":   head + "<Contents><Key>p/a</Key><Size>99999999999999999999</Size></Contents></ListBucketResult>",
		"no number":               head + "<Contents><Key>p/a</Key><Size>many</Size></Contents></ListBucketResult>",
		"no escape":               head + "<Contents><Key>p/%zz</Key><Size>1</Size></Contents></ListBucketResult>",
		"more, and no token":      head + "<IsTruncated>true</IsTruncated></ListBucketResult>",
		"more, by the same token": head + "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>",
		"entities":                `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>` + head + "<Contents><Key>p/&b;</Key></Contents></ListBucketResult>",
		"deep":                    head + strings.Repeat("<a>", 1<<18),
	} {
		s := hostile(t, func(*http.Request) (int, http.Header, io.Reader) {
			return 200, nil, bytes.NewReader([]byte(body))
		})
		page, err := s.List(t.Context(), "", "/", "t", 0)
		if err == nil && (len(page.Objects) > 0 || len(page.Prefixes) > 0 || page.Next != "") {
			t.Errorf("%s: %+v", name, page)
		}
		if name != "another document" && name != "empty" && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUploadsThatNeverEnd: pages of uploads, or of parts, that lead in a circle.
func TestUploadsThatNeverEnd(t *testing.T) {
	asked := 0
	s := hostile(t, func(*http.Request) (int, http.Header, io.Reader) {
		asked++
		side := asked % 2
		return 200, nil, bytes.NewReader(fmt.Appendf(nil, `<R><IsTruncated>true</IsTruncated><NextKeyMarker>p/%d</NextKeyMarker>
			<NextPartNumberMarker>%[1]d</NextPartNumberMarker><Upload><Key>p/a</Key><UploadId>u</UploadId></Upload>
			<Part><PartNumber>%[1]d</PartNumber><Size>1</Size><ETag>"e"</ETag></Part></R>`, side))
	})
	for _, name := range []string{"uploads", "parts"} {
		asked = 0
		for _, op := range operations {
			if op.name != name {
				continue
			}
			if err := op.do(t.Context(), s); err == nil || !strings.Contains(err.Error(), "it has no end") || asked > maxTurns {
				t.Errorf("%s: %v after %d pages", name, err, asked)
			}
		}
	}
}

// FuzzAnswer gives each operation whatever answer: it ends, without panic, and
// what it takes for true is possible.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		"", "garbage",
		`<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>p/a%2Bb</Key><Size>5</Size><ETag>"e"</ETag><LastModified>2026-01-02T03:04:05Z</LastModified></Contents><CommonPrefixes><Prefix>p/d/</Prefix></CommonPrefixes><IsTruncated>true</IsTruncated><NextContinuationToken>n</NextContinuationToken></ListBucketResult>`,
		`<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>`,
		`<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>`,
		`<Error><Code>SlowDown</Code><Message>m</Message></Error>`,
		`<Error><Code>NoSuchKey</Code></Error>`,
		`<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker><Part><PartNumber>1</PartNumber><Size>-1</Size></Part></ListPartsResult>`,
	} {
		for _, status := range []uint16{200, 206, 404, 412, 503} {
			f.Add(uint8(0), status, `"e"`, "bytes 2-11/100", []byte(body))
		}
	}
	for op := range operations {
		f.Add(uint8(op), uint16(200), "", "", []byte("0123456789"))
	}
	f.Fuzz(func(t *testing.T, op uint8, status uint16, etag, contentRange string, body []byte) {
		asked := 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := hostile(t, func(*http.Request) (int, http.Header, io.Reader) {
			if asked++; asked > 20 { // enough of pages, and of tries
				cancel()
			}
			return 100 + int(status%500), http.Header{
				"Etag": {etag}, "Content-Range": {contentRange}, "Last-Modified": {etag}, "X-Amz-Meta-Mcfs": {etag},
			}, bytes.NewReader(body)
		})
		o := operations[int(op)%len(operations)]
		if o.name == "list" {
			page, err := s.List(ctx, "", "/", "", 0)
			for _, o := range page.Objects {
				if o.Size < 0 || o.Key == "" {
					t.Fatalf("%+v", o)
				}
			}
			if err != nil && (len(page.Objects) > 0 || page.Next != "") {
				t.Fatalf("a page with an error: %v", err)
			}
			return
		}
		if err := o.do(ctx, s); err == nil && status%500 >= 200 {
			t.Fatalf("%s: status %d is a success", o.name, 100+status%500)
		} else if errors.Is(err, store.ErrNoBucket) && !bytes.Contains(body, []byte("NoSuchBucket")) {
			t.Fatalf("%s: %v", o.name, err)
		}
	})
}

// TestForeignListings has a server write its listings in its own way: the SDK reads them,
// and after the first it is asked at once.
func TestForeignListings(t *testing.T) {
	const page = `<?xml version='1.0'?><!-- ours --><l:ListBucketResult xmlns:l="http://s3.amazonaws.com/doc/2006-03-01/">` +
		`<l:IsTruncated>false</l:IsTruncated><l:Contents><l:Key><![CDATA[p/k]]></l:Key><l:Size>1</l:Size></l:Contents></l:ListBucketResult>`
	asked := 0
	s := hostile(t, func(r *http.Request) (int, http.Header, io.Reader) {
		asked++
		now := time.Now().UTC().Format(http.TimeFormat)
		return http.StatusOK, http.Header{"Etag": {`"e"`}, "Date": {now}, "Last-Modified": {now}}, bytes.NewReader([]byte(page))
	})
	if body, _, err := s.Get(t.Context(), "k", store.Range{}, ""); err != nil {
		t.Fatal(err)
	} else if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{2, 1, 1} {
		asked = 0
		got, err := s.List(t.Context(), "", "", "", 0)
		if err != nil || len(got.Objects) != 1 || got.Objects[0].Key != "k" {
			t.Fatalf("%+v, %v", got, err)
		}
		if asked != want {
			t.Errorf("listing %d took %d requests, not %d", i, asked, want)
		}
	}
}
