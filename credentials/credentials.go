// Package credentials looks for AWS credentials anew when a service refuses those that it
// was given: a program that renews a session, or somebody who rotates a key, has written
// others meanwhile. It imports the AWS SDK only.
package credentials

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// inVain is for how long credentials that were looked for anew, and are the same, are not
// looked for again: a source may be slow, or have a network of its own.
const inVain = 5 * time.Second

// Source gives what another source gives, with a deadline.
type Source struct {
	from    aws.CredentialsProvider
	timeout time.Duration

	renewing sync.Mutex // held while they are looked for anew

	mu      sync.Mutex
	given   aws.Credentials // last
	changed time.Time       // when a look anew brought others
	vain    time.Time       // when one brought the same
}

// New makes a Source. One that caches has a method Invalidate, after which it looks anew.
func New(from aws.CredentialsProvider, timeout time.Duration) *Source {
	return &Source{from: from, timeout: timeout}
}

// Retrieve implements aws.CredentialsProvider.
func (s *Source) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	c, err := s.from.Retrieve(ctx)
	if err != nil {
		return c, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = c
	return c, nil
}

// Renewed looks for credentials anew after a refusal, and reports whether there are others
// now, with which the request is to be made again.
func (s *Source) Renewed() bool {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	s.mu.Lock()
	before := s.given
	fresh, vain := time.Since(s.changed) < s.timeout, time.Since(s.vain) < inVain
	s.mu.Unlock()
	if fresh || vain { // fresh: the refused request may have been signed before
		return fresh
	}
	cache, ok := s.from.(interface{ Invalidate() })
	if !ok {
		return false
	}
	cache.Invalidate()
	after, err := s.Retrieve(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || same(after, before) {
		s.vain = time.Now()
		return false
	}
	s.changed = time.Now()
	return true
}

func same(a, b aws.Credentials) bool {
	return a.AccessKeyID == b.AccessKeyID && a.SecretAccessKey == b.SecretAccessKey && a.SessionToken == b.SessionToken
}
