package s3_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
	"mcfs/store/storetest"
)

// TestRequests: each call costs the requests that it must, and they say what
// they should.
func TestRequests(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	s := open(t, server, func(o *s3.Options) { o.RequestPayer = "requester"; o.StorageClass = "STANDARD_IA" })
	ctx := t.Context()
	info := put(t, s, "k", []byte("x"))
	read(t, s, "k")
	_, headErr := s.Head(ctx, "k")
	up, beginErr := s.Begin(ctx, "m", store.Attributes{})
	part, partErr := s.PutPart(ctx, up, 1, storetest.BodyOf([]byte("y")))
	_, partsErr := s.Parts(ctx, up)
	_, upsErr := s.Uploads(ctx, "")
	_, completeErr := s.Complete(ctx, up, []store.Part{part}, store.Condition{})
	_, copyErr := s.Copy(ctx, store.Copy{Source: "k", SourceIfMatch: info.ETag, Target: "c", Size: 1})
	_, listErr := s.List(ctx, "", "/", "", 0)
	deleteErr := s.Delete(ctx, "k", store.Condition{})
	up2, begin2Err := s.Begin(ctx, "m", store.Attributes{})
	abortErr := s.Abort(ctx, up2)
	if err := errors.Join(headErr, beginErr, partErr, partsErr, upsErr, completeErr, copyErr, listErr, deleteErr, begin2Err, abortErr); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"PutObject", "GetObject", "HeadObject", "CreateMultipartUpload", "UploadPart", "ListParts", "ListMultipartUploads",
		"CompleteMultipartUpload", "CopyObject", "ListObjectsV2", "DeleteObject", "CreateMultipartUpload", "AbortMultipartUpload",
	}
	if got := server.Proxy.Ops(); !slices.Equal(got, want) {
		t.Errorf("requests %q, want %q", got, want)
	}
	for _, r := range server.Proxy.Requests() {
		if got := r.Header.Get("X-Amz-Request-Payer"); got != "requester" {
			t.Errorf("%s: payer %q", r.Op, got)
		}
		if got := r.Header.Get("Expect"); got != "" {
			t.Errorf("%s: waits for %q", r.Op, got)
		}
		born := slices.Contains([]string{"PutObject", "CreateMultipartUpload", "CopyObject"}, r.Op)
		if got := r.Header.Get("X-Amz-Storage-Class"); born != (got == "STANDARD_IA") {
			t.Errorf("%s: storage class %q", r.Op, got)
		}
		content := r.Op == "PutObject" || r.Op == "UploadPart"
		if got := r.Header.Get("X-Amz-Content-Sha256"); content != (got == "UNSIGNED-PAYLOAD") {
			t.Errorf("%s: payload hash %q", r.Op, got)
		}
		if got := r.Header.Get("X-Amz-Checksum-Crc32c"); content != (got != "") {
			t.Errorf("%s: checksum %q", r.Op, got)
		}
		if got := r.Header.Get("X-Amz-Checksum-Algorithm"); (r.Op == "CreateMultipartUpload") != (got == "CRC32C") {
			t.Errorf("%s: algorithm %q", r.Op, got)
		}
		if content && r.Sent != 1 {
			t.Errorf("%s: %d bytes went out for 1", r.Op, r.Sent)
		}
	}
}

// TestNoChecksums: with "none", no header speaks of any.
func TestNoChecksums(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	s := open(t, server, func(o *s3.Options) { o.Checksum = s3.ChecksumNone })
	put(t, s, "k", []byte("x"))
	up, err := s.Begin(t.Context(), "m", store.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := s.PutPart(t.Context(), up, 1, storetest.BodyOf([]byte("y")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Complete(t.Context(), up, []store.Part{part}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range server.Proxy.Requests() {
		for name := range r.Header {
			if strings.Contains(strings.ToLower(name), "checksum") {
				t.Errorf("%s: %s", r.Op, name)
			}
		}
	}
}

// TestEncryptionRestated: what is born says how it is encrypted at rest.
func TestEncryptionRestated(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	s := open(t, server, func(o *s3.Options) { o.SSE, o.SSEKMSKeyID = "aws:kms", "alias/rest" })
	server.Proxy.Fail("", -1, s3test.Fault{Status: 400, Code: "InvalidArgument"}) // this server has no KMS
	ctx := t.Context()
	_, _ = s.Put(ctx, "k", storetest.BodyOf(nil), store.Attributes{}, store.Condition{})
	_, _ = s.Begin(ctx, "k", store.Attributes{})
	_, _ = s.Copy(ctx, store.Copy{Source: "k", SourceIfMatch: `"e"`, Target: "c", Size: 1})
	_, _ = s.Copy(ctx, store.Copy{Source: "k", SourceIfMatch: `"e"`, Target: "c", Size: 1, Condition: store.Condition{IfNone: true}})
	requests := server.Proxy.Requests()
	if len(requests) != 4 {
		t.Fatalf("%d requests", len(requests))
	}
	for _, r := range requests {
		if r.Header.Get("X-Amz-Server-Side-Encryption") != "aws:kms" || r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != "alias/rest" {
			t.Errorf("%s: %v", r.Op, r.Header)
		}
	}
}

// TestCopyByRanges: a copy under a condition is one of many ranges at once.
func TestCopyByRanges(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	s := open(t, server, func(o *s3.Options) { o.Concurrency = 2 })
	s.SetCopyPart(store.MinPart)
	content := storetest.Random(5*store.MinPart+7, 1)
	source := put(t, s, "big", content)
	c := store.Copy{
		Source: "big", SourceIfMatch: source.ETag, Target: "copied", Size: source.Size, Condition: store.Condition{IfNone: true},
		Attributes: store.Attributes{Metadata: map[string]string{"a": "b"}},
	}
	server.Proxy.Reset()
	server.Proxy.Hook(func(s3test.Request) s3test.Fault { return s3test.Fault{Delay: 5 * time.Millisecond} })
	info, err := s.Copy(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if n, peak := server.Proxy.Count("UploadPartCopy"), server.Proxy.Peak(); n != 6 || peak != 2 || info.Size != source.Size {
		t.Errorf("%d parts, %d at once, %+v", n, peak, info)
	}
	if got := read(t, s, "copied"); !bytes.Equal(got, content) {
		t.Error("other bytes arrived")
	}
	// A part that fails leaves no upload behind.
	server.Proxy.Reset()
	server.Proxy.Fail("UploadPartCopy", -1, s3test.Fault{Status: 403, Code: "AccessDenied"})
	c.Condition = store.Condition{IfMatch: info.ETag}
	if _, err := s.Copy(t.Context(), c); !errors.Is(err, store.ErrDenied) {
		t.Errorf("%v", err)
	}
	if ups, err := s.Uploads(t.Context(), ""); err != nil || len(ups) != 0 {
		t.Errorf("left: %v, %v", ups, err)
	}
}

// TestDeleteWhereConditionsAreUnknown: a server that refuses the header is
// asked without it, after a look.
func TestDeleteWhereConditionsAreUnknown(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	s := open(t, server, nil)
	old := put(t, s, "k", []byte("one"))
	now := put(t, s, "k", []byte("two"))
	server.Proxy.Hook(func(r s3test.Request) s3test.Fault {
		if r.Op == "DeleteObject" && r.Header.Get("If-Match") != "" {
			return s3test.Fault{Status: 501, Code: "NotImplemented"}
		}
		return s3test.Fault{}
	})
	if err := s.Delete(t.Context(), "k", store.Condition{IfMatch: old.ETag}); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("%v", err)
	}
	for range 2 {
		if err := s.Delete(t.Context(), "k", store.Condition{IfMatch: now.ETag}); err != nil {
			t.Errorf("%v", err)
		}
	}
}
