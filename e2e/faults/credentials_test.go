package faults

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// session are credentials that do not say when they expire, as those of an
// environment or of a file that a program renews now and then.
type session struct {
	key, secret string
	renewed     atomic.Bool
	taken       atomic.Bool // somebody has asked since
}

// Retrieve is part of aws.CredentialsProvider.
func (s *session) Retrieve(context.Context) (aws.Credentials, error) {
	if s.renewed.Load() {
		s.taken.Store(true)
	}
	return aws.Credentials{AccessKeyID: s.key, SecretAccessKey: s.secret}, nil
}

// provider is what the SDK makes of it when it reads its configuration: a cache.
func (s *session) provider() aws.CredentialsProvider { return aws.NewCredentialsCache(s) }
