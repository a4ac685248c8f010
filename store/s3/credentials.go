package s3

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"mcfs/credentials"
)

// credentialsError marks what a source of credentials said.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "credentials: " + e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// refusals are the codes by which a server says that it does not know the credentials:
// a session that has ended, a key that was deleted, a secret that was replaced. The last
// two are what the SDK makes of a 400 and a 403 to a HEAD, which has no code.
var refusals = map[string]bool{
	"ExpiredToken": true, "TokenRefreshRequired": true, "InvalidToken": true,
	"InvalidAccessKeyId": true, "XAdminUserNotFound": true, "SignatureDoesNotMatch": true,
	"BadRequest": true, "Forbidden": true,
}

// credentialsSource marks the errors of a source of credentials.
type credentialsSource struct{ *credentials.Source }

func (c credentialsSource) Retrieve(ctx context.Context) (aws.Credentials, error) {
	v, err := c.Source.Retrieve(ctx)
	if err != nil {
		return v, &credentialsError{fmt.Errorf("retrieve: %w", err)}
	}
	return v, nil
}

// retryRefused is the retryer's view of a refusal: try again if there are other credentials.
func (c credentialsSource) retryRefused(err error) aws.Ternary {
	if !refusals[code(err)] {
		return aws.UnknownTernary
	}
	return aws.BoolTernary(c.Renewed())
}

// newSigner is a signer for S3, whose paths are not escaped twice.
func newSigner() *credentials.Signer {
	return credentials.NewSigner(func(s *v4.SignerOptions) { s.DisableURIPathEscaping = true })
}
