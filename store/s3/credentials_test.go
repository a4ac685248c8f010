package s3_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
	"mcfs/store/storetest"
)

// rotated is a source that holds what it has read until it is asked to look again, as
// that of a file does.
type rotated struct {
	mu        sync.Mutex
	held, new aws.Credentials
	looks     int
}

func (r *rotated) Retrieve(context.Context) (aws.Credentials, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held, nil
}

func (r *rotated) Invalidate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = r.new
	r.looks++
}

// become has the source hold credentials, while others are to be found.
func (r *rotated) become(held, found aws.Credentials) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held, r.new, r.looks = held, found, 0
}

// TestRotatedCredentials: the server does not know the access key any more, or its secret,
// and others are there by now. Each kind of request finds them, and nobody notices.
func TestRotatedCredentials(t *testing.T) {
	server := s3test.Start(t)
	good, err := server.Options("p/").AWS.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put(t, open(t, server, nil), "there", []byte("x"))
	deleted, replaced := good, good
	deleted.AccessKeyID, replaced.SecretAccessKey = "AKIADELETED", "an older secret"
	for what, old := range map[string]aws.Credentials{"deleted key": deleted, "replaced secret": replaced} {
		for op, do := range map[string]func(s *s3.Store) error{
			"put": func(s *s3.Store) error {
				_, err := s.Put(t.Context(), "k", storetest.BodyOf([]byte("x")), store.Attributes{}, store.Condition{})
				return err
			},
			"head": func(s *s3.Store) error { _, err := s.Head(t.Context(), "there"); return err },
			"get": func(s *s3.Store) error {
				body, _, err := s.Get(t.Context(), "there", store.Range{}, "")
				if err == nil {
					err = body.Close()
				}
				return err
			},
			"list":   func(s *s3.Store) error { _, err := s.List(t.Context(), "", "", "", 0); return err },
			"delete": func(s *s3.Store) error { return s.Delete(t.Context(), "k", store.Condition{}) },
			"begin":  func(s *s3.Store) error { _, err := s.Begin(t.Context(), "k", store.Attributes{}); return err },
		} {
			source := &rotated{held: old, new: old}
			s := open(t, server, func(o *s3.Options) { o.AWS.Credentials = source })
			source.become(old, good)
			if err := do(s); err != nil {
				t.Errorf("%s, %s: %v", what, op, err)
			}
			if got := read(t, s, "there"); !bytes.Equal(got, []byte("x")) {
				t.Errorf("%s, %s: then %q", what, op, got)
			}
		}
	}
}

// TestCodesOfRefusal: by each of the codes that S3 has for credentials that it does not know, which
// the server of the tests has not, they are looked for anew; where there are no others, the error says so.
func TestCodesOfRefusal(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	good, err := server.Options("p/").AWS.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old := good
	old.AccessKeyID = "AKIADELETED"
	for code, status := range map[string]int{
		"InvalidAccessKeyId": 403, "SignatureDoesNotMatch": 403, "ExpiredToken": 400, "InvalidToken": 400, "TokenRefreshRequired": 400,
	} {
		server.Proxy.Hook(func(r s3test.Request) s3test.Fault {
			if strings.Contains(r.Header.Get("Authorization"), old.AccessKeyID) {
				return s3test.Fault{Status: status, Code: code}
			}
			return s3test.Fault{}
		})
		put := func(found aws.Credentials) error {
			source := &rotated{held: old, new: old}
			s := open(t, server, func(o *s3.Options) { o.AWS.Credentials = source })
			source.become(old, found)
			_, err := s.Put(t.Context(), "k", storetest.BodyOf([]byte("x")), store.Attributes{}, store.Condition{})
			return err
		}
		if err := put(good); err != nil {
			t.Errorf("%s: %v", code, err)
		}
		if err := put(old); !errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "refuses these credentials, "+code) {
			t.Errorf("%s, and no others: %v", code, err)
		}
	}
}

// TestRefusedCredentials: there are no others. The error says what it is, and the source
// is not asked again and again.
func TestRefusedCredentials(t *testing.T) {
	server := s3test.Start(t)
	good, err := server.Options("p/").AWS.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bad := good
	bad.SecretAccessKey = "wrong"
	source := &rotated{held: bad, new: bad}
	s := open(t, server, func(o *s3.Options) { o.AWS.Credentials = source })
	for range 10 {
		_, err := s.Put(t.Context(), "k", storetest.BodyOf([]byte("x")), store.Attributes{}, store.Condition{})
		if !errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "credentials") {
			t.Fatalf("put: %v", err)
		}
	}
	if source.looks != 1 {
		t.Errorf("the source was asked anew %d times", source.looks)
	}
}
