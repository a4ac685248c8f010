// Package s3test runs a real S3 server for tests: versitygw with its posix
// backend, on a free port of 127.0.0.1, with a fresh directory and bucket, and
// optionally a reverse proxy in front that counts, delays and breaks requests.
//
// It is a fixture: only tests import it. It needs a temporary directory on a
// file system with extended attributes (ext4, XFS, btrfs, APFS; tmpfs since
// Linux 6.6), because the posix backend keeps metadata there.
package s3test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"mcfs/store/s3"
)

// Server is one running versitygw. Its methods fail the test rather than
// return errors.
type Server struct {
	URL       string // what clients talk to: the proxy, if there is one
	Direct    string // the server itself
	AccessKey string
	SecretKey string
	Bucket    string
	Region    string
	Dir       string // the posix backend's root; objects are files below Dir/Bucket
	Proxy     *Proxy // nil without WithProxy

	tb      testing.TB
	binary  string
	minPart int64 // 0: S3's
	addr    string
	mu      sync.Mutex // guards cmd
	cmd     *exec.Cmd
	done    chan struct{} // closed when cmd has been waited for
	output  tail
}

// Option of Start.
type Option func(*Server)

// WithProxy puts a counting, delaying, failing proxy in front.
func WithProxy() Option { return func(s *Server) { s.Proxy = &Proxy{} } }

// WithMinPart lets parts but the last have so many bytes; else it is S3's 5 MiB.
func WithMinPart(bytes int64) Option { return func(s *Server) { s.minPart = bytes } }

// WithBucket names the bucket; "mcfs-test" else.
func WithBucket(name string) Option { return func(s *Server) { s.Bucket = name } }

// Start runs a server until the test ends.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	binary, err := findBinary()
	if err != nil {
		tb.Fatalf("versitygw: %v", err)
	}
	s := &Server{
		AccessKey: "mcfs-test-access", SecretKey: "mcfs-test-secret",
		Bucket: "mcfs-test", Region: "us-east-1",
		Dir: filepath.Join(tb.TempDir(), "s3"),
		tb:  tb, binary: binary,
	}
	for _, o := range opts {
		o(s)
	}
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		s.Stop()
		if tb.Failed() && s.output.String() != "" {
			tb.Logf("versitygw said:\n%s", s.output.String())
		}
	})
	s.startAnywhere()
	s.URL = s.Direct
	if s.Proxy != nil {
		s.Proxy.start(tb, s.Direct)
		s.URL = s.Proxy.URL
	}
	s.createBucket()
	return s
}

// startAnywhere tries free ports: between finding one and its use, another server
// of a test may take it.
func (s *Server) startAnywhere() {
	s.tb.Helper()
	var err error
	for range 5 {
		if s.addr, err = FreeAddress(); err != nil {
			break
		}
		if err = s.run(); err == nil {
			s.Direct = "http://" + s.addr
			return
		}
	}
	s.tb.Fatalf("start versitygw: %v\n%s", err, s.output.String())
}

// run starts the process and waits until it answers.
func (s *Server) run() error {
	cmd := exec.Command(s.binary, "--quiet", "--keep-alive", "--port", s.addr, "--region", s.Region, "posix", s.Dir)
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
	if s.minPart > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("MIN_PART_SIZE=%d", s.minPart))
	}
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	cmd.SysProcAttr = processAttributes()
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { // ends with the process, which Stop kills and waits for
		defer close(done)
		_ = cmd.Wait()
	}()
	s.mu.Lock()
	s.cmd, s.done = cmd, done
	s.mu.Unlock()
	if err := s.waitReady(done); err != nil {
		s.Stop()
		return err
	}
	return nil
}

func (s *Server) waitReady(done <-chan struct{}) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		select {
		case <-done:
			return fmt.Errorf("ended at once")
		default:
		}
		resp, err := client.Get("http://" + s.addr + "/")
		if err == nil {
			_ = resp.Body.Close()
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("does not answer on %s", s.addr)
}

func (s *Server) createBucket() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := awss3.NewFromConfig(s.AWS(), func(o *awss3.Options) {
		o.BaseEndpoint, o.UsePathStyle = aws.String(s.Direct), true
	})
	if _, err := client.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &s.Bucket}); err != nil {
		s.tb.Fatalf("create bucket: %v", err)
	}
}

// Stop kills the server, as a crash would. A stopped server can Restart.
func (s *Server) Stop() {
	s.mu.Lock()
	cmd, done := s.cmd, s.done
	s.cmd, s.done = nil, nil
	s.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill() // also one that SIGSTOP holds
	<-done
}

// Restart starts it again with the same address and data.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	if err := s.run(); err != nil {
		s.tb.Fatalf("restart versitygw: %v\n%s", err, s.output.String())
	}
}

// Signal sends a signal to the server: SIGSTOP makes it hang with its
// connections open, which it does when Signal returns, SIGCONT wakes it.
func (s *Server) Signal(sig os.Signal) {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		s.tb.Fatal("signal: the server is stopped")
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatalf("signal: %v", err)
	}
	if sig == syscall.SIGSTOP {
		AwaitStop(s.tb, s.cmd.Process.Pid)
	}
}

// AwaitStop waits until a process to which SIGSTOP was sent has stopped, every thread of
// it: on a loaded machine it may still answer for a while. It fails the test after 30 s.
func AwaitStop(tb testing.TB, pid int) {
	tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		stopped, err := hasStopped(pid)
		if err != nil {
			tb.Fatalf("stop process %d: %v", pid, err)
		}
		if stopped {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("process %d has not stopped", pid)
		}
	}
}

// AWS is a configuration with the server's credentials and region.
func (s *Server) AWS() aws.Config {
	return aws.Config{
		Region:      s.Region,
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
	}
}

// Options are those of a store in the server's bucket below prefix.
func (s *Server) Options(prefix string) s3.Options {
	return s3.Options{
		AWS: s.AWS(), Bucket: s.Bucket, Prefix: prefix, Region: s.Region,
		Endpoint: s.URL, PathStyle: true, Checksum: s3.ChecksumCRC32C,
		Timeout: 30 * time.Second, Concurrency: 8,
	}
}

// Open is a store below prefix, closed with the test.
func (s *Server) Open(tb testing.TB, prefix string) *s3.Store {
	tb.Helper()
	st, err := s3.New(s.Options(prefix))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = st.Close() })
	return st
}

// Environ is what a program needs to reach the server with AWS's usual variables.
func (s *Server) Environ() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey,
		"AWS_REGION=" + s.Region, "AWS_EC2_METADATA_DISABLED=true",
	}
}

// tail keeps the end of what the server printed.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len() > 64<<10 {
		t.buf.Next(t.buf.Len() - 32<<10)
	}
	return t.buf.Write(p)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(t.buf.String())
}
