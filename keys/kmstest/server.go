// Package kmstest is a KMS server for tests: the part of AWS KMS that mcfs
// uses, spoken as JSON 1.1 over HTTP on the loopback interface.
//
// It is strict where a mistake would cost somebody their files. Every request
// must carry a valid Signature Version 4 for the region and the service, known
// fields only, and MediaConvert's encryption context exactly. What is wrong is
// refused as KMS refuses it and remembered as a violation; violations that the
// test has not taken fail it. Keys are really wrapped: a blob opens under its
// own KMS key and its own context only. Latency, faults, throttling and key
// states are the test's to choose.
//
// It is a fixture, not a keeper: its keys vanish with it. It imports nothing of ours.
package kmstest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Key states, as KMS calls them.
const (
	Enabled         = "Enabled"
	Disabled        = "Disabled"
	PendingDeletion = "PendingDeletion"
)

// Account is the owner of every key.
const Account = "111122223333"

// Key describes one KMS key.
type Key struct {
	ID    string // a UUID; chosen at random if empty
	Alias string // "alias/…", or empty
	State string // Enabled if empty
	Spec  string // SYMMETRIC_DEFAULT if empty; another one is only told, not acted upon
	ARN   string // filled in by the server
}

// Options of a server; the zero value is useful.
type Options struct {
	// Region defaults to us-west-2.
	Region string
	// Keys defaults to two enabled ones, alias/mcfs-test and alias/mcfs-other.
	Keys []Key
	// AccessKey and SecretKey default to a pair of the test's own.
	AccessKey, SecretKey string
	// SessionToken, if set, is demanded of every request.
	SessionToken string
	// Addr to listen at; defaults to 127.0.0.1:0.
	Addr string
}

// Server is a running KMS. Its methods may be called by any number of goroutines.
type Server struct {
	// URL is the endpoint.
	URL  string
	opts Options
	http *http.Server
	wg   sync.WaitGroup
	ctx  context.Context // ends with Close
	stop context.CancelFunc

	mu         sync.Mutex
	keys       []*secretKey
	calls      []Call
	violations []string
	latency    time.Duration
	faults     []fault
	throttle   int // calls per second; 0 is unlimited
	window     time.Time
	unbound    bool
	inWindow   int
}

// Start runs a server. With tb it ends with the test, which fails on any
// violation left; with nil it panics on errors and the caller closes it.
func Start(tb testing.TB, o Options) *Server {
	s, err := newServer(o)
	if err != nil {
		if tb == nil {
			panic(err)
		}
		tb.Fatalf("start kmstest: %v", err)
	}
	if tb == nil {
		return s
	}
	tb.Cleanup(func() {
		s.Close()
		for _, v := range s.TakeViolations() {
			tb.Errorf("kmstest: %s", v)
		}
	})
	return s
}

func newServer(o Options) (*Server, error) {
	setDefaults(&o)
	s := &Server{opts: o}
	for _, k := range o.Keys {
		sk, err := newSecretKey(k, o.Region)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, sk)
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, err
	}
	s.URL = "http://" + l.Addr().String()
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	s.wg.Go(func() { s.http.Serve(l) }) // returns when Close closes it
	return s, nil
}

func setDefaults(o *Options) {
	if o.Region == "" {
		o.Region = "us-west-2"
	}
	if len(o.Keys) == 0 {
		o.Keys = []Key{{Alias: "alias/mcfs-test"}, {Alias: "alias/mcfs-other"}}
	}
	if o.AccessKey == "" {
		o.AccessKey, o.SecretKey = "AKIAKMSTESTKMSTEST00", "kmstest/secret/kmstest/secret/kmstest000"
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
}

// Close ends the server and every call under way. It may be called again.
func (s *Server) Close() {
	s.stop()
	s.http.Close()
	s.wg.Wait()
}

// Key is the i-th key, with its ARN and present state.
func (s *Server) Key(i int) Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[i].Key
}

// ARN is that of the i-th key.
func (s *Server) ARN(i int) string { return s.Key(i).ARN }

// Region is the server's own.
func (s *Server) Region() string { return s.opts.Region }

// Config is an AWS configuration with the server's credentials and region; the
// endpoint is the caller's to set from URL.
func (s *Server) Config() aws.Config {
	return aws.Config{
		Region: s.opts.Region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{
				AccessKeyID:     s.opts.AccessKey,
				SecretAccessKey: s.opts.SecretKey,
				SessionToken:    s.opts.SessionToken,
			}, nil
		}),
	}
}

// Env is the same for another process: lines of its environment, with nothing
// left to the machine's own AWS configuration.
func (s *Server) Env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s.opts.AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + s.opts.SecretKey,
		"AWS_SESSION_TOKEN=" + s.opts.SessionToken,
		"AWS_REGION=" + s.opts.Region,
		"AWS_ENDPOINT_URL_KMS=" + s.URL,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}
}

// SetKeyState changes the state of the key of that id, ARN or alias.
func (s *Server) SetKeyState(id, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.find(id)
	if err != nil {
		panic(fmt.Sprintf("kmstest: SetKeyState: %v", err))
	}
	k.State = state
}

// MoveAlias points an alias to the i-th key, in place of the one that it has.
func (s *Server) MoveAlias(alias string, i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.find(alias)
	if err != nil {
		panic(fmt.Sprintf("kmstest: MoveAlias: %v", err))
	}
	k.Alias, s.keys[i].Alias = "", alias
}
