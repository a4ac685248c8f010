package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
	"mcfs/store/storetest"
)

func open(t *testing.T, server *s3test.Server, change func(*s3.Options)) *s3.Store {
	t.Helper()
	o := server.Options("p/")
	if change != nil {
		change(&o)
	}
	s, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func put(t *testing.T, s store.Store, key string, p []byte) store.Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, storetest.BodyOf(p), store.Attributes{}, store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func read(t *testing.T, s store.Store, key string) []byte {
	t.Helper()
	body, _, err := s.Get(t.Context(), key, store.Range{}, "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestErrors: what the server says, what the caller may decide upon, and how
// often the request was made.
func TestErrors(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	s := open(t, server, nil)
	for _, tt := range []struct {
		status   int
		code     string
		want     error // nil: none of the contract's
		attempts int
	}{
		{404, "NoSuchKey", store.ErrNotExist, 1},
		{404, "NoSuchBucket", store.ErrNoBucket, 1},
		{404, "NoSuchUpload", store.ErrNoUpload, 1},
		{404, "NoSuchAccount", nil, 1},
		{412, "PreconditionFailed", store.ErrPrecondition, 1},
		{409, "ConditionalRequestConflict", store.ErrConflict, 1},
		{409, "OperationAborted", store.ErrConflict, 1},
		{403, "AccessDenied", store.ErrDenied, 1},
		{400, "ExpiredToken", store.ErrDenied, 1},
		{403, "SignatureDoesNotMatch", store.ErrDenied, 1},
		{403, "InvalidObjectState", nil, 1},
		{400, "BadDigest", store.ErrChecksum, 1},
		{400, "InvalidDigest", store.ErrChecksum, 1},
		{400, "XAmzContentSHA256Mismatch", store.ErrChecksum, 1},
		{400, "InvalidArgument", nil, 1},
		{400, "EntityTooLarge", nil, 1},
		{501, "NotImplemented", nil, 1},
		{500, "InternalError", store.ErrUnavailable, 3},
		{503, "SlowDown", store.ErrUnavailable, 3},
		{503, "ServiceUnavailable", store.ErrUnavailable, 3},
		{429, "TooManyRequests", store.ErrUnavailable, -1},
		{400, "RequestTimeout", store.ErrUnavailable, 3},
	} {
		server.Proxy.Reset()
		server.Proxy.Fail("PutObject", -1, s3test.Fault{Status: tt.status, Code: tt.code})
		_, err := s.Put(t.Context(), "k", storetest.BodyOf([]byte("x")), store.Attributes{}, store.Condition{})
		if err == nil {
			t.Fatalf("%d %s: no error", tt.status, tt.code)
		}
		for _, class := range []error{
			store.ErrNotExist, store.ErrNoBucket, store.ErrNoUpload, store.ErrPrecondition, store.ErrConflict, store.ErrDenied,
			store.ErrChecksum, store.ErrUnavailable,
		} {
			if errors.Is(err, class) != (class == tt.want) {
				t.Errorf("%d %s: %v", tt.status, tt.code, err)
			}
		}
		if !strings.Contains(err.Error(), tt.code) || !strings.Contains(err.Error(), "put s3://mcfs-test/p/k") || strings.Contains(err.Error(), "\n") {
			t.Errorf("text: %v", err)
		}
		if n := server.Proxy.Count("PutObject"); tt.attempts > 0 && n != tt.attempts {
			t.Errorf("%d %s: %d attempts, want %d", tt.status, tt.code, n, tt.attempts)
		}
	}
	server.Proxy.Reset()
	server.Proxy.Fail("PutObject", -1, s3test.Fault{Status: 404, Code: "NoSuchKey"})
	_, err := s.Put(t.Context(), "k", storetest.BodyOf(nil), store.Attributes{}, store.Condition{IfMatch: `"e"`})
	if !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("If-Match on an object that is gone: %v", err)
	}
}

// TestRetries: what passes by itself is tried again, with the body from its start.
func TestRetries(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	s := open(t, server, nil)
	content := storetest.Random(3<<20, 1)
	for name, f := range map[string]s3test.Fault{
		"503": {Status: 503, Code: "SlowDown"}, "cut": {Cut: true}, "lost": {Lose: true},
	} {
		server.Proxy.Reset()
		server.Proxy.Fail("PutObject", 1, f)
		put(t, s, name, content)
		if got := read(t, s, name); !bytes.Equal(got, content) {
			t.Errorf("%s: %d other bytes", name, len(got))
		}
		if n := server.Proxy.Count("PutObject"); n != 2 {
			t.Errorf("%s: %d attempts", name, n)
		}
	}
	// The echo of one's own write is a broken condition, as the contract warns.
	server.Proxy.Reset()
	server.Proxy.Fail("PutObject", 1, s3test.Fault{Lose: true})
	// It is small: a server that refuses early resets a connection on which much is still to come.
	content = content[:1000]
	_, err := s.Put(t.Context(), "echo", storetest.BodyOf(content), store.Attributes{}, store.Condition{IfNone: true})
	if !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("after a lost answer: %v", err)
	}
	if got := read(t, s, "echo"); !bytes.Equal(got, content) {
		t.Error("the write did not take effect")
	}
}

// TestStalls: nothing waits longer than the time limit for a byte to move.
func TestStalls(t *testing.T) {
	server := s3test.Start(t)
	s := open(t, server, func(o *s3.Options) { o.Timeout = 300 * time.Millisecond })
	info := put(t, s, "k", storetest.Random(1<<20, 1))
	up, err := s.Begin(t.Context(), "m", store.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	big := storetest.BodyOf(storetest.Random(64<<20, 1)) // more than the sockets hold
	ctx := t.Context()
	server.Signal(syscall.SIGSTOP)
	defer server.Signal(syscall.SIGCONT)
	for name, call := range map[string]func() error{
		"put": func() error { _, err := s.Put(ctx, "x", big, store.Attributes{}, store.Condition{}); return err },
		"put small": func() error {
			_, err := s.Put(ctx, "x", storetest.BodyOf(nil), store.Attributes{}, store.Condition{})
			return err
		},
		"get":      func() error { _, _, err := s.Get(ctx, "k", store.Range{}, ""); return err },
		"head":     func() error { _, err := s.Head(ctx, "k"); return err },
		"list":     func() error { _, err := s.List(ctx, "", "", "", 0); return err },
		"put part": func() error { _, err := s.PutPart(ctx, up, 1, storetest.BodyOf([]byte("x"))); return err },
		"copy": func() error {
			_, err := s.Copy(ctx, store.Copy{Source: "k", SourceIfMatch: info.ETag, Target: "c", Size: info.Size})
			return err
		},
		"delete": func() error { return s.Delete(ctx, "k", store.Condition{}) },
	} {
		start := time.Now()
		err := call()
		if took := time.Since(start); !errors.Is(err, store.ErrUnavailable) || took < 250*time.Millisecond || took > 10*time.Second {
			t.Errorf("%s: %v after %v", name, err, took)
		}
	}
}

// TestStalledDownload: a body that stops moving ends; one whose reader rests does not.
func TestStalledDownload(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	content := storetest.Random(16<<20, 1)
	s := open(t, server, func(o *s3.Options) { o.Timeout = 300 * time.Millisecond })
	put(t, s, "k", content)

	server.Proxy.Fail("GetObject", 1, s3test.Fault{Truncate: 1 << 20, StallBody: true})
	body, _, err := s.Get(t.Context(), "k", store.Range{}, "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if !errors.Is(err, store.ErrUnavailable) || !bytes.Equal(got, content[:1<<20]) {
		t.Errorf("%d bytes, then %v", len(got), err)
	}
	_ = body.Close()

	server.Proxy.Fail("GetObject", 1, s3test.Fault{Truncate: 1 << 20})
	body, _, err = s.Get(t.Context(), "k", store.Range{}, "")
	if err != nil {
		t.Fatal(err)
	}
	got, err = io.ReadAll(body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, store.ErrUnavailable) || !bytes.Equal(got, content[:1<<20]) {
		t.Errorf("cut off: %d bytes, then %v", len(got), err)
	}
	_ = body.Close()

	body, _, err = s.Get(t.Context(), "k", store.Range{}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	for i := range 4 { // 1.6 s in all, never 300 ms without a byte while one reads
		if i > 0 {
			time.Sleep(500 * time.Millisecond)
		}
		if _, err := io.CopyN(io.Discard, body, 4<<20); err != nil {
			t.Fatalf("a slow reader was cut off: %v", err)
		}
	}
}

// TestSlowUpload: a body that moves slowly takes longer than the time limit, and arrives.
func TestSlowUpload(t *testing.T) {
	server := s3test.Start(t)
	s := open(t, server, func(o *s3.Options) { o.Timeout = 400 * time.Millisecond })
	content := storetest.Random(600_000, 1)
	b := storetest.BodyOf(content)
	b.ReadSeeker = &slow{b.ReadSeeker}
	start := time.Now()
	if _, err := s.Put(t.Context(), "k", b, store.Attributes{}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 500*time.Millisecond {
		t.Fatalf("it took only %v: nothing is shown", took)
	}
	if got := read(t, s, "k"); !bytes.Equal(got, content) {
		t.Error("other bytes arrived")
	}
}

type slow struct{ io.ReadSeeker }

func (s *slow) Read(p []byte) (int, error) {
	time.Sleep(100 * time.Millisecond)
	return s.ReadSeeker.Read(p[:min(len(p), 60_000)])
}

// TestRestart: what a stopped server costs passes when it is back.
func TestRestart(t *testing.T) {
	server := s3test.Start(t)
	s := open(t, server, nil)
	put(t, s, "k", []byte("v"))
	server.Stop()
	if _, err := s.Head(t.Context(), "k"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("head: %v", err)
	}
	if err := s.Check(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "store.endpoint") {
		t.Errorf("check: %v", err)
	}
	server.Restart()
	if got := read(t, s, "k"); string(got) != "v" {
		t.Errorf("%q", got)
	}
	if p, err := os.ReadFile(filepath.Join(server.Dir, server.Bucket, "p/k")); err != nil || string(p) != "v" {
		t.Errorf("the server's file: %q, %v", p, err)
	}
}

// TestNoLeaks: calls of every end leave no goroutine behind.
func TestNoLeaks(t *testing.T) {
	server := s3test.Start(t)
	s := open(t, server, func(o *s3.Options) { o.Timeout = time.Second })
	put(t, s, "k", storetest.Random(4<<20, 1))
	_ = s.Close()
	before := settled(0)
	for range 10 {
		read(t, s, "k")
		_, _, err := s.Get(t.Context(), "k", store.Range{}, `"other"`)
		if !errors.Is(err, store.ErrPrecondition) {
			t.Fatal(err)
		}
		body, _, err := s.Get(t.Context(), "k", store.Range{}, "")
		if err != nil {
			t.Fatal(err)
		}
		_ = body.Close() // unread
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Head(ctx, "k"); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	_ = s.Close()
	if after := settled(before); after > before {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines before, %d after\n%s", before, after, buf[:runtime.Stack(buf, true)])
	}
}

// settled is the number of goroutines once it is down to want, or no more falls.
func settled(want int) int {
	n := runtime.NumGoroutine()
	for range 50 {
		if n <= want {
			break
		}
		time.Sleep(10 * time.Millisecond)
		n = runtime.NumGoroutine()
	}
	return n
}
