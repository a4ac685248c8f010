package credentials

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Signer signs as the SDK does. The SDK's own signer keeps what it has derived from a secret
// under the key's ID alone, and so would use a secret that was replaced all day.
type Signer struct {
	options []func(*v4.SignerOptions)

	mu     sync.Mutex
	secret string
	signer *v4.Signer // of secret
}

// NewSigner makes a Signer with the options of the SDK's.
func NewSigner(options ...func(*v4.SignerOptions)) *Signer { return &Signer{options: options} }

// SignHTTP signs a request, as v4.Signer does.
func (s *Signer) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, at time.Time, options ...func(*v4.SignerOptions)) error {
	return s.of(c.SecretAccessKey).SignHTTP(ctx, c, r, hash, service, region, at, options...)
}

// of is the SDK's signer for a secret.
func (s *Signer) of(secret string) *v4.Signer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signer == nil || s.secret != secret {
		s.secret, s.signer = secret, v4.NewSigner(s.options...)
	}
	return s.signer
}
