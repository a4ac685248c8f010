package mediaconverttest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"mcfs/keys/kmstest"
)

// Account is the owner of every job and queue.
const Account = kmstest.Account

// Options of a server. S3 and KMS are what inputs are fetched and decrypted by.
type Options struct {
	// Region defaults to us-west-2.
	Region string
	// S3 fetches the inputs.
	S3 *s3.Client
	// KMS has the servers that unwrap keys, by region.
	KMS map[string]*kmstest.Server
	// AccessKey and SecretKey default to a pair of the test's own.
	AccessKey, SecretKey string
	// Now is the clock by which request tokens are forgotten; defaults to time.Now.
	Now func() time.Time
	// PageSize is how many jobs a list has at most; defaults to 20.
	PageSize int
	// JobTemplates are the names that the service knows, besides those of queues: Default.
	JobTemplates []string
	// Reserved are queues besides Default that are paid for in advance.
	Reserved []string
	// Paused are those of them in which jobs wait.
	Paused []string
}

// Call is one request that was authentic, with its outcome.
type Call struct {
	Action string // "CreateJob", …
	ID     string // of the job, if the request named one or made one
	Code   string // of the error, empty after a success
}

// Server is a running service. Its methods may be called by any number of goroutines.
type Server struct {
	URL  string // the endpoint
	opts Options
	tmp  string
	http *http.Server
	wg   sync.WaitGroup

	mu         sync.Mutex
	jobs       []*job // in the order in which they were made
	tokens     map[string]token
	scripts    []Script
	faults     []fault
	calls      []Call
	violations []string
}

// Start runs a server until the test ends, which fails on any violation left.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	setDefaults(&o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("start mediaconverttest: %v", err)
	}
	s := &Server{URL: "http://" + l.Addr().String(), opts: o, tmp: tb.TempDir(), tokens: make(map[string]token)}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	s.wg.Go(func() { s.http.Serve(l) }) // returns when Close closes it
	tb.Cleanup(func() {
		s.http.Close()
		s.wg.Wait()
		for _, v := range s.TakeViolations() {
			tb.Errorf("mediaconverttest: %s", v)
		}
	})
	return s
}

func setDefaults(o *Options) {
	if o.Region == "" {
		o.Region = "us-west-2"
	}
	if o.AccessKey == "" {
		o.AccessKey, o.SecretKey = "AKIAMEDIACONVERTTEST", "mediaconverttest/secret/mediaconverttest"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.PageSize == 0 {
		o.PageSize = maxResults
	}
}

// Config is an AWS configuration with the server's credentials and region.
func (s *Server) Config() aws.Config {
	return aws.Config{
		Region: s.opts.Region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: s.opts.AccessKey, SecretAccessKey: s.opts.SecretKey}, nil
		}),
	}
}

// Calls are those so far.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Count is how many calls of an action have come so far.
func (s *Server) Count(action string) (n int) {
	for _, c := range s.Calls() {
		if c.Action == action {
			n++
		}
	}
	return n
}

// Jobs are all that were made, as they are now, the oldest first.
func (s *Server) Jobs() (list []types.Job) {
	s.mu.Lock()
	jobs := slices.Clone(s.jobs)
	s.mu.Unlock()
	for _, j := range jobs {
		list = append(list, j.show())
	}
	return list
}

// TakeViolations returns what no right client would have sent, and forgets it.
func (s *Server) TakeViolations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.violations
	s.violations = nil
	return list
}

func (s *Server) violate(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violations = append(s.violations, fmt.Sprintf(format, args...))
}

func (s *Server) record(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
}

func (s *Server) arn(resource string) string {
	return "arn:aws:mediaconvert:" + s.opts.Region + ":" + Account + ":" + resource
}
