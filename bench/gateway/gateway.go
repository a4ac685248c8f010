// Package gateway runs the S3 server that all contenders share: versitygw with
// its posix backend, which keeps objects as files in a directory.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"mcfs/bench/job"
)

// What every client signs with.
const (
	AccessKey = "mcfs-bench-access"
	SecretKey = "mcfs-bench-secret"
	Region    = "us-east-1"
)

const startLimit = 30 * time.Second

// Server is a running versitygw.
type Server struct {
	URL    string
	Daemon *job.Daemon

	dir    string
	client *s3.Client
	serial int
}

// Start runs the binary with its objects below dir, an empty directory.
func Start(ctx context.Context, binary, dir, log string) (*Server, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	d, err := job.Start(job.Command{
		Args: []string{binary, "--quiet", "--keep-alive", "--port", addr, "--region", Region, "posix", dir},
		Env:  []string{"ROOT_ACCESS_KEY=" + AccessKey, "ROOT_SECRET_KEY=" + SecretKey},
	}, log)
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + addr, Daemon: d, dir: dir}
	s.client = s3.NewFromConfig(AWS(), func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &s.URL, true })
	if err := d.Wait(ctx, startLimit, s.answers); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (s *Server) answers() bool {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(s.URL + "/")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return true
}

// Stop ends the server; what it stored stays.
func (s *Server) Stop() { s.Daemon.Kill() }

// AWS is a configuration with the credentials of all.
func AWS() aws.Config {
	return aws.Config{Region: Region, Credentials: credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, "")}
}

// Environ is the same for another process, with nothing left to the machine's
// own configuration.
func Environ() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + AccessKey, "AWS_SECRET_ACCESS_KEY=" + SecretKey, "AWS_SESSION_TOKEN=",
		"AWS_REGION=" + Region, "AWS_DEFAULT_REGION=" + Region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PROFILE=", "AWS_CA_BUNDLE=",
		"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1",
	}
}

// NewBucket makes an empty bucket.
func (s *Server) NewBucket(ctx context.Context) (string, error) {
	s.serial++
	name := fmt.Sprintf("bench-%d", s.serial)
	if _, err := s.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
		return "", fmt.Errorf("make bucket: %w", err)
	}
	return name, nil
}

// Drop removes a bucket with all that is in it, behind the server's back: that
// costs no time of its.
func (s *Server) Drop(bucket string) error {
	if bucket == "" {
		return errors.New("no bucket")
	}
	return os.RemoveAll(filepath.Join(s.dir, bucket))
}

// Remove removes an object, behind the server's back as well.
func (s *Server) Remove(bucket, key string) error {
	return os.Remove(filepath.Join(s.dir, bucket, key))
}

// Count is how many objects a bucket holds that are whole, and their bytes;
// directory markers are none. It looks at the files, so that to ask costs the
// server nothing.
func (s *Server) Count(bucket string) (objects int, size int64, err error) {
	root := filepath.Join(s.dir, bucket)
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // renamed meanwhile
		case err != nil:
			return err
		case e.IsDir() && e.Name() == ".sgwtmp":
			return fs.SkipDir // parts that have arrived
		case !e.Type().IsRegular() || strings.Contains(e.Name(), ".sgwtmp."):
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		objects, size = objects+1, size+info.Size()
		return nil
	})
	return objects, size, err
}

// WaitFor polls until a bucket holds so many objects of so many bytes in all,
// at least.
func (s *Server) WaitFor(ctx context.Context, bucket string, objects int, size int64) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		n, bytes, err := s.Count(bucket)
		if err != nil {
			return fmt.Errorf("look at the bucket: %w", err)
		}
		if n >= objects && bytes >= size {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the bucket has %d objects of %d bytes, not %d of %d: %w", n, bytes, objects, size, context.Cause(ctx))
		}
	}
}
