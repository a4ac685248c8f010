package sink

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"mcfs/store"
	"mcfs/store/s3"
)

// open is a sink with the client that mcfs has.
func open(t *testing.T, o Options) (*Server, *s3.Store) {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s3.New(s3.Options{
		AWS:    aws.Config{Credentials: credentials.NewStaticCredentialsProvider("access", "secret", "")},
		Bucket: Bucket, Prefix: "p/", Region: "us-east-1", Endpoint: s.URL, PathStyle: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, f := range s.Counts().Faults {
			t.Error(f)
		}
	})
	return s, c
}

func body(content []byte) store.Body {
	return store.Body{ReadSeeker: bytes.NewReader(content), Size: int64(len(content)), CRC32C: crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli))}
}

func TestSmallObjectsAreKept(t *testing.T) {
	_, c := open(t, Options{})
	attributes := store.Attributes{ContentType: "text/x", Metadata: map[string]string{"mcfs-iv": "abc"}}
	put, err := c.Put(t.Context(), "a", body([]byte("content")), attributes, store.Condition{IfNone: true})
	if err != nil {
		t.Fatal(err)
	}
	r, info, err := c.Get(t.Context(), "a", store.Range{Offset: 3, Length: 2}, put.ETag)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if string(got) != "te" || err != nil || info.Metadata["mcfs-iv"] != "abc" {
		t.Errorf("%q, %+v, %v", got, info, err)
	}
	if _, err := c.Put(t.Context(), "a", body(nil), attributes, store.Condition{IfNone: true}); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("If-None-Match is not heeded: %v", err)
	}
	if err := c.Delete(t.Context(), "a", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Head(t.Context(), "a"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("after its removal: %v", err)
	}
}

func TestMultipart(t *testing.T) {
	s, c := open(t, Options{})
	up, err := c.Begin(t.Context(), "large", store.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	const size = 5 << 20
	var parts []store.Part
	for n := range 2 {
		p, err := c.PutPart(t.Context(), up, n+1, body(make([]byte, size-n)))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	if _, err := c.Complete(t.Context(), up, parts, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if got := s.Size("p/large"); got != 2*size-1 {
		t.Errorf("size %d", got)
	}
	if got := s.Counts(); got.Sent != 2*size-1 || got.LargestPart != size || s.Sent("p/large") != got.Sent {
		t.Errorf("counts: %+v", got)
	}
	info, err := c.Head(t.Context(), "large")
	if err != nil || info.Size != 2*size-1 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestListing(t *testing.T) {
	_, c := open(t, Options{})
	for _, key := range []string{"d/2", "b", "d/1", "a", "c", "e/1"} {
		if _, err := c.Put(t.Context(), key, body([]byte(key)), store.Attributes{}, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, most := range []int{1, 2, 3, 1000} {
		var got string
		for token, pages := "", 0; pages == 0 || token != ""; pages++ {
			p, err := c.List(t.Context(), "", "/", token, most)
			if err != nil || pages > 6 {
				t.Fatalf("page %d of %d: %v", pages, most, err)
			}
			for _, o := range p.Objects {
				got += fmt.Sprint(o.Key, o.Size, " ")
			}
			for _, prefix := range p.Prefixes {
				got += prefix + " "
			}
			token = p.Next
		}
		if want := "a1 b1 c1 d/ e/ "; got != want {
			t.Errorf("in pages of %d: %q, want %q", most, got, want)
		}
	}
}

// TestVerify has a body arrive that is not what its checksum says.
func TestVerify(t *testing.T) {
	s, err := Start(Options{Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct {
		sum    string
		status int
		faults int
	}{{"AAAAAA==", http.StatusOK, 0}, {"AAAAAQ==", http.StatusBadRequest, 1}, {"", http.StatusBadRequest, 2}} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL+"/"+Bucket+"/a", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(checksumHeader, c.sum)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := s.Counts(); resp.StatusCode != c.status || len(got.Faults) != c.faults || got.Objects != 1 {
			t.Errorf("%q: %d, %+v", c.sum, resp.StatusCode, got)
		}
	}
}

// TestHold reads a terabyte of zeros here and there, under a name that XML has no words for.
func TestHold(t *testing.T) {
	s, c := open(t, Options{})
	const key, size = "odd \x1b+&", 1 << 40
	s.Hold("p/"+key, nil, size)
	s.Hold("p/z", []byte("kept"), 0)
	page, err := c.List(t.Context(), "", "", "", 1)
	if err != nil || len(page.Objects) != 1 || page.Objects[0].Key != key || page.Objects[0].Size != size {
		t.Errorf("%+v, %v", page, err)
	}
	if page, err = c.List(t.Context(), "", "", page.Next, 1); err != nil || len(page.Objects) != 1 || page.Objects[0].Key != "z" || page.Next != "" {
		t.Errorf("%+v, %v", page, err)
	}
	r, _, err := c.Get(t.Context(), key, store.Range{Offset: size - 10, Length: 100}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); !bytes.Equal(got, make([]byte, 10)) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got := s.Counts(); got.Served != 10 || got.Objects != 2 {
		t.Errorf("%+v", got)
	}
}

func TestLimiter(t *testing.T) {
	l := newLimiter(1000)
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		after time.Duration
		n     int
		want  time.Duration
	}{
		{0, 100, 100*time.Millisecond - slack},
		{0, 100, 200*time.Millisecond - slack},
		{time.Hour, 1000, time.Second - slack}, // nothing is saved up
	} {
		if got := l.book(c.n, now.Add(c.after)); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestRate(t *testing.T) {
	_, c := open(t, Options{Rate: 10 << 20})
	begun := time.Now()
	if _, err := c.Put(t.Context(), "a", body(make([]byte, 1<<20)), store.Attributes{}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 80*time.Millisecond {
		t.Errorf("1 MiB at 10 MiB/s in %v", took)
	}
}

// TestAbortedUploadIsGone: the parts of an upload are listed until it is aborted, and then there is none.
func TestAbortedUploadIsGone(t *testing.T) {
	_, c := open(t, Options{})
	up, err := c.Begin(t.Context(), "large", store.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutPart(t.Context(), up, 1, body([]byte("content"))); err != nil {
		t.Fatal(err)
	}
	parts, err := c.Parts(t.Context(), up)
	if err != nil || len(parts) != 1 || parts[0].Number != 1 || parts[0].Size != 7 {
		t.Errorf("parts %+v, %v", parts, err)
	}
	if err := c.Abort(t.Context(), up); err != nil {
		t.Fatal(err)
	}
	if parts, err := c.Parts(t.Context(), up); !errors.Is(err, store.ErrNoUpload) {
		t.Errorf("after the abort: parts %+v, %v", parts, err)
	}
}
