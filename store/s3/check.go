package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"mcfs/store"
)

// checkTimeout bounds Check: a person is waiting.
const checkTimeout = 10 * time.Second

// Check lists one key. Its error says in one line what is wrong and what to do.
func (s *Store) Check(ctx context.Context) error {
	if anonymous(s.o.AWS.Credentials) {
		return fmt.Errorf("bucket %s: %w: no credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or run `aws configure`", s.o.Bucket, store.ErrDenied)
	}
	limited, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	out, err := s.client.ListObjectsV2(limited, &awss3.ListObjectsV2Input{
		Bucket: &s.o.Bucket, Prefix: s.name(""), MaxKeys: aws.Int32(1), RequestPayer: s.payer(),
	})
	if err == nil && out.Name == nil && out.IsTruncated == nil {
		err = errNonsense
	}
	if err == nil {
		return nil
	}
	if ended := store.Ended(ctx); ended != nil {
		return fmt.Errorf("check bucket %s: %w", s.o.Bucket, ended)
	}
	class, said := classify(limited, err)
	text := s.diagnosis(class, err, said)
	if class == nil {
		return errors.New(text)
	}
	return fmt.Errorf("%s: %w", text, class)
}

// diagnosis is the line for a failed check.
func (s *Store) diagnosis(class, err, said error) string {
	bucket := s.o.Bucket
	if region := otherRegion(err); region != "" && region != s.o.Region {
		return fmt.Sprintf("bucket %s is in region %s, not %s: set store.region = %q", bucket, region, s.o.Region, region)
	}
	var credentials *credentialsError
	switch {
	case errors.As(err, &credentials):
		return fmt.Sprintf("no credentials for bucket %s: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or run `aws configure` or `aws sso login` (%v)", bucket, credentials.err)
	case errors.Is(class, store.ErrNoBucket), errors.Is(class, store.ErrNotExist):
		return fmt.Sprintf("bucket %s does not exist at %s: create it (`aws s3 mb s3://%s`) or correct store.bucket", bucket, s.where(), bucket)
	case code(err) == "InvalidAccessKeyId", code(err) == "XAdminUserNotFound", code(err) == "SignatureDoesNotMatch":
		return fmt.Sprintf("%s does not accept the credentials for bucket %s: check the access key and its secret (%v)", s.where(), bucket, said)
	case code(err) == "ExpiredToken":
		return fmt.Sprintf("the credentials for bucket %s have expired: renew them, e.g. with `aws sso login`", bucket)
	case code(err) == "RequestTimeTooSkewed":
		return fmt.Sprintf("the clock of this machine is wrong, %s refuses its requests: set the time", s.where())
	case errors.Is(class, store.ErrDenied):
		return fmt.Sprintf("bucket %s may not be listed with these credentials: grant s3:ListBucket (docs/setup-aws.md has the policy; %v)", bucket, said)
	case code(err) == "AuthorizationHeaderMalformed", redirected(err):
		return fmt.Sprintf("%s wants another region than %s for bucket %s: set store.region (%v)", s.where(), s.o.Region, bucket, said)
	case code(err) != "":
		return fmt.Sprintf("%s cannot list bucket %s: %v", s.where(), bucket, said)
	}
	return fmt.Sprintf("%s cannot be reached for bucket %s: check the network and store.endpoint (%v)", s.where(), bucket, said)
}

// otherRegion is where S3 says that the bucket is.
func otherRegion(err error) string {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		return response.Response.Header.Get("X-Amz-Bucket-Region")
	}
	return ""
}

func redirected(err error) bool {
	status := statusOf(err)
	return status == http.StatusMovedPermanently || status == http.StatusTemporaryRedirect
}
