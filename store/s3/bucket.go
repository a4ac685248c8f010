package s3

import (
	"context"
	"fmt"
	"strings"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Rules are what the bucket's lifecycle does to objects of this store.
type Rules struct {
	AbortsUploads bool // uploads that nobody finished
	ExpiresOld    bool // versions that are no longer current
}

// Versioned reports whether the bucket keeps what was overwritten.
func (s *Store) Versioned(ctx context.Context) (bool, error) {
	out, err := s.client.GetBucketVersioning(ctx, &awss3.GetBucketVersioningInput{Bucket: &s.o.Bucket})
	if err != nil {
		return false, s.asked(ctx, "versioning", err)
	}
	return out.Status == types.BucketVersioningStatusEnabled, nil
}

// Lifecycle returns what the bucket's rules do here. A bucket without any has none.
func (s *Store) Lifecycle(ctx context.Context) (r Rules, err error) {
	out, err := s.client.GetBucketLifecycleConfiguration(ctx, &awss3.GetBucketLifecycleConfigurationInput{Bucket: &s.o.Bucket})
	if code(err) == "NoSuchLifecycleConfiguration" {
		return r, nil
	}
	if err != nil {
		return r, s.asked(ctx, "lifecycle", err)
	}
	for _, rule := range out.Rules {
		if rule.Status != types.ExpirationStatusEnabled || !s.covers(rule) {
			continue
		}
		r.AbortsUploads = r.AbortsUploads || rule.AbortIncompleteMultipartUpload != nil
		r.ExpiresOld = r.ExpiresOld || rule.NoncurrentVersionExpiration != nil
	}
	return r, nil
}

// covers reports whether a rule is for all objects of this store.
func (s *Store) covers(rule types.LifecycleRule) bool {
	prefix := rule.Prefix //lint:ignore SA1019 rules that were made long ago have it
	if f := rule.Filter; f != nil {
		if f.And != nil || f.Tag != nil || f.ObjectSizeGreaterThan != nil || f.ObjectSizeLessThan != nil {
			return false
		}
		prefix = f.Prefix
	}
	return prefix == nil || strings.HasPrefix(s.o.Prefix, *prefix)
}

// asked is the error of a question about the bucket.
func (s *Store) asked(ctx context.Context, what string, err error) error {
	class, said := classify(ctx, err)
	if class == nil {
		return fmt.Errorf("%s of bucket %s: %w", what, s.o.Bucket, said)
	}
	return fmt.Errorf("%s of bucket %s: %w (%w)", what, s.o.Bucket, class, said)
}
