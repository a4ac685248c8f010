package floor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"mcfs/store/s3/s3test/sink"
)

func start(t *testing.T) (*sink.Server, *Client) {
	t.Helper()
	s, err := sink.Start(sink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(t.Context(), s.URL, sink.Bucket, aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("a", "s", "")}, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		_ = s.Close()
	})
	return s, c
}

func TestUpload(t *testing.T) {
	s, c := start(t)
	for _, size := range []int64{1, PartSize, 2*PartSize + 5} {
		path := filepath.Join(t.TempDir(), "source")
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprint("a file of ", size)
		if err := c.Upload(t.Context(), path, key); err != nil {
			t.Fatal(err)
		}
		if got := s.Size(key); got != size {
			t.Errorf("%d bytes arrived of %d", got, size)
		}
	}
}

func TestManyRequests(t *testing.T) {
	s, c := start(t)
	name := func(i int) string { return fmt.Sprint("dir/", i) }
	if err := c.Fill(t.Context(), 50, 4, name, []byte("content")); err != nil {
		t.Fatal(err)
	}
	if err := c.Heads(t.Context(), 50, 4, name); err != nil {
		t.Fatal(err)
	}
	if got := s.Counts().Requests; got != 100 {
		t.Errorf("%d requests", got)
	}
	if err := c.Heads(t.Context(), 51, 4, name); err == nil {
		t.Error("an object that is missing is no error")
	}
}

func TestEachEndsAtAnError(t *testing.T) {
	var done atomic.Int64
	err := each(t.Context(), 1000, 3, func(_ context.Context, _ int) error { done.Add(1); return errNoETag })
	if err == nil || done.Load() > 10 {
		t.Errorf("%v after %d", err, done.Load())
	}
}
