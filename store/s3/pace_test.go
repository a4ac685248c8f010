package s3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"mcfs/store"
	"mcfs/store/pace"
	"mcfs/store/s3"
	"mcfs/store/storetest"
)

// openSink opens a store on a server that takes whatever is put and counts its bytes.
func openSink(t *testing.T, o s3.Options) (*s3.Store, *atomic.Int64) {
	t.Helper()
	var took atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		took.Add(n)
		w.Header().Set("ETag", `"e"`)
	}))
	t.Cleanup(server.Close)
	o.AWS = aws.Config{Credentials: credentials.NewStaticCredentialsProvider("a", "s", "")}
	o.Bucket, o.Endpoint, o.PathStyle = "b", server.URL, true
	s, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, &took
}

// TestPace: what is put, whole or by parts, with the SDK or without it, takes the time that it
// must, all together.
func TestPace(t *testing.T) {
	const rate, size = 128 << 10, 48 << 10
	s, took := openSink(t, s3.Options{Pace: pace.New(func(time.Time) int64 { return rate }), Trickle: true})
	began := time.Now()
	body := storetest.Random(size, 1)
	up := store.Upload{Key: "m", ID: "u"}
	failed := make(chan error, 2)
	go func() {
		_, err := s.PutPart(t.Context(), up, 1, storetest.BodyOf(body))
		failed <- err
	}()
	go func() {
		_, first := s.Put(t.Context(), "a", storetest.BodyOf(body), store.Attributes{}, store.Condition{})
		_, second := s.Put(t.Context(), "b", storetest.BodyOf(body), store.Attributes{}, store.Condition{}) // the short way
		failed <- errors.Join(first, second)
	}()
	if err := errors.Join(<-failed, <-failed); err != nil {
		t.Fatal(err)
	}
	if spent, least := time.Since(began), time.Second*3*size/rate; spent < least || took.Load() != 3*size {
		t.Errorf("%d bytes in %v, which must be at least %v", took.Load(), spent, least)
	}
}

// TestPaceIsNoStandstill: to wait for a turn, here five times as long as the limit without progress,
// is no lack of progress; and it ends with its context.
func TestPaceIsNoStandstill(t *testing.T) {
	slow := pace.New(func(time.Time) int64 { return 1 })
	s, _ := openSink(t, s3.Options{Pace: slow, Trickle: true, Timeout: time.Second})
	others := make(chan error, 1)
	go func() { others <- slow.Wait(t.Context(), 4) }()
	began := time.Now()
	if _, err := s.Put(t.Context(), "k", storetest.BodyOf([]byte("12345")), store.Attributes{}, store.Condition{}); err != nil {
		t.Error(err)
	}
	if spent := time.Since(began); spent < 4*time.Second {
		t.Errorf("it has not waited: %v", spent)
	}
	if err := <-others; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := s.Put(ctx, "k", storetest.BodyOf(make([]byte, 3600)), store.Attributes{}, store.Condition{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after its end: %v", err)
	}
}
