package backend

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
)

// renewable are the credentials of the AWS configuration. The SDK reads its files once, but
// programs that renew credentials write them again: after Invalidate they are read anew.
type renewable struct {
	mu       sync.Mutex
	provider aws.CredentialsProvider
	stale    bool
}

// Invalidate is called when a service has answered that the credentials have expired.
func (r *renewable) Invalidate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stale = true
}

// Retrieve is part of aws.CredentialsProvider.
func (r *renewable) Retrieve(ctx context.Context) (aws.Credentials, error) {
	p, err := r.current(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return p.Retrieve(ctx)
}

func (r *renewable) current(ctx context.Context) (aws.CredentialsProvider, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stale {
		return r.provider, nil
	}
	a, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration again: %w", err)
	}
	r.provider, r.stale = a.Credentials, false
	return r.provider, nil
}
