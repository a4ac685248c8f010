package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"mcfs/store"
)

// Begin starts a multipart upload.
func (s *Store) Begin(ctx context.Context, key string, attr store.Attributes) (store.Upload, error) {
	var algorithm types.ChecksumAlgorithm
	if s.checksums() {
		algorithm = types.ChecksumAlgorithmCrc32c
	}
	return s.begin(ctx, key, attr, algorithm)
}

func (s *Store) begin(ctx context.Context, key string, attr store.Attributes, sum types.ChecksumAlgorithm) (store.Upload, error) {
	if err := s.check("begin", key, attr, store.Condition{}); err != nil {
		return store.Upload{}, err
	}
	mode, until := s.o.lock()
	out, err := s.client.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{
		Bucket: &s.o.Bucket, Key: s.name(key),
		ContentType: opt(attr.ContentType), Metadata: attr.Metadata,
		StorageClass: types.StorageClass(s.o.StorageClass), RequestPayer: s.payer(),
		ServerSideEncryption: types.ServerSideEncryption(s.o.SSE), SSEKMSKeyId: opt(s.o.SSEKMSKeyID),
		ChecksumAlgorithm: sum, Tagging: s.tagging, ObjectLockMode: mode, ObjectLockRetainUntilDate: until,
	}, s.once)
	if err == nil && aws.ToString(out.UploadId) == "" {
		err = errNonsense
	}
	if err != nil {
		return store.Upload{}, s.failure(ctx, "begin", key, err)
	}
	return store.Upload{Key: key, ID: aws.ToString(out.UploadId), Initiated: answered(out.ResultMetadata)}, nil
}

// once leaves it to the caller to send a request again. Each that begins an upload
// may have begun one, whatever became of its answer: who sends it has to know of all.
// Only one that was refused for its credentials has begun nothing.
func (s *Store) once(o *awss3.Options) {
	o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts, r.MaxBackoff, r.RateLimiter = 2, maxBackoff, ratelimit.None
		r.Retryables = []retry.IsErrorRetryable{retry.IsErrorRetryableFunc(s.credentials.retryRefused)}
	})
}

// PutPart stores one part.
func (s *Store) PutPart(ctx context.Context, up store.Upload, number int, b store.Body) (store.Part, error) {
	if err := s.checkUpload("put part", up); err != nil {
		return store.Part{}, err
	}
	if number < 1 || number > store.MaxParts {
		return store.Part{}, fmt.Errorf("put part %s: number %d is not in 1 to %d", s.Address(up.Key), number, store.MaxParts)
	}
	body, err := newContent(b)
	if err != nil {
		return store.Part{}, fmt.Errorf("put part %d of %s: %w", number, s.Address(up.Key), err)
	}
	out, err := s.client.UploadPart(ctx, &awss3.UploadPartInput{
		Bucket: &s.o.Bucket, Key: s.name(up.Key), UploadId: &up.ID, PartNumber: aws.Int32(int32(number)),
		Body: body, ContentLength: aws.Int64(b.Size),
		RequestPayer: s.payer(), ChecksumCRC32C: s.crc32c(b.CRC32C),
	}, s.content)
	if err == nil && aws.ToString(out.ETag) == "" {
		err = errNonsense
	}
	if err != nil {
		return store.Part{}, s.failure(ctx, fmt.Sprintf("put part %d of", number), up.Key, err)
	}
	return store.Part{Number: number, ETag: aws.ToString(out.ETag), Size: b.Size, CRC32C: b.CRC32C}, nil
}

// Complete makes the object.
func (s *Store) Complete(ctx context.Context, up store.Upload, parts []store.Part, cond store.Condition) (store.Info, error) {
	done := make([]types.CompletedPart, 0, len(parts))
	for _, p := range parts {
		done = append(done, types.CompletedPart{
			PartNumber: aws.Int32(int32(p.Number)), ETag: aws.String(p.ETag), ChecksumCRC32C: s.crc32c(p.CRC32C),
		})
	}
	return s.complete(ctx, up, parts, done, cond)
}

// complete sends done, which is parts with what the server is to check.
func (s *Store) complete(ctx context.Context, up store.Upload, parts []store.Part, done []types.CompletedPart, cond store.Condition) (store.Info, error) {
	if err := errors.Join(s.checkUpload("complete", up), cond.Check(), store.CheckParts(parts)); err != nil {
		return store.Info{}, fmt.Errorf("complete %s: %w", s.Address(up.Key), err)
	}
	in := &awss3.CompleteMultipartUploadInput{
		Bucket: &s.o.Bucket, Key: s.name(up.Key), UploadId: &up.ID, RequestPayer: s.payer(),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	}
	in.IfMatch, in.IfNoneMatch = conditions(cond)
	out, err := s.client.CompleteMultipartUpload(ctx, in)
	if err == nil && aws.ToString(out.ETag) == "" {
		err = errNonsense
	}
	if err != nil {
		failed := s.failure(ctx, "complete", up.Key, writeError(err, cond))
		if code(err) == "EntityTooSmall" {
			failed = fmt.Errorf("%w; the server takes no parts as small as upload.part_size: raise it", failed)
		}
		return store.Info{}, failed
	}
	info := store.Info{Key: up.Key, ETag: quoted(out.ETag), Modified: answered(out.ResultMetadata)}
	if again, ok := retry.GetAttemptResults(out.ResultMetadata); ok && len(again.Results) > 1 {
		if err := s.confirm(ctx, up, info.ETag); err != nil {
			return store.Info{}, err
		}
	}
	for _, p := range parts {
		info.Size += p.Size
	}
	return info, nil
}

// confirm looks at the object of an upload that was completed by a repeated request. A
// server that fell between the two may answer well to the second without an object,
// and the caller is about to let go of what it was made from.
func (s *Store) confirm(ctx context.Context, up store.Upload, etag string) error {
	info, err := s.Head(ctx, up.Key)
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return err
	}
	if err != nil || info.ETag != etag {
		return fmt.Errorf("complete %s: %w: the request was repeated, and its object is not there", s.Address(up.Key), store.ErrNoUpload)
	}
	return nil
}

// Abort forgets an upload.
func (s *Store) Abort(ctx context.Context, up store.Upload) error {
	if err := s.checkUpload("abort", up); err != nil {
		return err
	}
	_, err := s.client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{
		Bucket: &s.o.Bucket, Key: s.name(up.Key), UploadId: &up.ID, RequestPayer: s.payer(),
	})
	if code(err) == "NoSuchUpload" {
		return nil
	}
	return s.failure(ctx, "abort upload of", up.Key, err)
}

// Uploads lists unfinished uploads. prefix may be empty.
func (s *Store) Uploads(ctx context.Context, prefix string) ([]store.Upload, error) {
	in := &awss3.ListMultipartUploadsInput{
		Bucket: &s.o.Bucket, Prefix: s.name(prefix), EncodingType: types.EncodingTypeUrl, RequestPayer: s.payer(),
	}
	var all []store.Upload
	turned := 0
	for {
		out, err := s.client.ListMultipartUploads(ctx, in)
		if err == nil && out.Bucket == nil && out.IsTruncated == nil {
			err = errNonsense
		}
		if err != nil {
			return nil, s.failure(ctx, "list uploads of", prefix, err)
		}
		for _, u := range out.Uploads {
			key, err := s.listed(u.Key, out.EncodingType)
			if err != nil {
				return nil, fmt.Errorf("list uploads of %s: %w", s.Address(prefix), err)
			}
			all = append(all, store.Upload{Key: key, ID: aws.ToString(u.UploadId), Initiated: aws.ToTime(u.Initiated)})
		}
		if !aws.ToBool(out.IsTruncated) {
			return all, nil
		}
		if turned++; turned >= maxTurns {
			return nil, fmt.Errorf("list uploads of %s: %w: it has no end", s.Address(prefix), errUnbelievable)
		}
		next, err := decoded(out.NextKeyMarker, out.EncodingType)
		if err != nil {
			return nil, fmt.Errorf("list uploads of %s: %w", s.Address(prefix), err)
		}
		if next == aws.ToString(in.KeyMarker) && aws.ToString(out.NextUploadIdMarker) == aws.ToString(in.UploadIdMarker) {
			return nil, fmt.Errorf("list uploads of %s: %w: it repeats a page", s.Address(prefix), errUnbelievable)
		}
		in.KeyMarker, in.UploadIdMarker = &next, out.NextUploadIdMarker
	}
}

// maxTurns is how many pages of uploads or parts are read; each may have a thousand.
const maxTurns = 1000

// Parts lists what an unfinished upload has.
func (s *Store) Parts(ctx context.Context, up store.Upload) ([]store.Part, error) {
	if err := s.checkUpload("list parts", up); err != nil {
		return nil, err
	}
	in := &awss3.ListPartsInput{
		Bucket: &s.o.Bucket, Key: s.name(up.Key), UploadId: &up.ID, RequestPayer: s.payer(),
	}
	var all []store.Part
	turned := 0
	for {
		out, err := s.client.ListParts(ctx, in)
		if err == nil && out.UploadId == nil && out.IsTruncated == nil {
			err = errNonsense
		}
		if err != nil {
			return nil, s.failure(ctx, "list parts of", up.Key, err)
		}
		for _, p := range out.Parts {
			all = append(all, store.Part{
				Number: int(aws.ToInt32(p.PartNumber)), ETag: aws.ToString(p.ETag), Size: aws.ToInt64(p.Size),
				CRC32C: parseCRC32C(aws.ToString(p.ChecksumCRC32C)),
			})
		}
		if !aws.ToBool(out.IsTruncated) {
			return all, nil
		}
		if turned++; turned >= maxTurns || len(all) > store.MaxParts {
			return nil, fmt.Errorf("list parts of %s: %w: it has no end", s.Address(up.Key), errUnbelievable)
		}
		if aws.ToString(out.NextPartNumberMarker) == aws.ToString(in.PartNumberMarker) {
			return nil, fmt.Errorf("list parts of %s: %w: it repeats a page", s.Address(up.Key), errUnbelievable)
		}
		in.PartNumberMarker = out.NextPartNumberMarker
	}
}

func (s *Store) checkUpload(op string, up store.Upload) error {
	if up.ID == "" {
		return fmt.Errorf("%s %s: no upload id", op, s.Address(up.Key))
	}
	return s.check(op, up.Key, store.Attributes{}, store.Condition{})
}

// parseCRC32C is 0 for what is no checksum.
func parseCRC32C(v string) uint32 {
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil || len(b) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// listed is the relative key of a name in a listing.
func (s *Store) listed(name *string, enc types.EncodingType) (string, error) {
	v, err := decoded(name, enc)
	if err != nil {
		return "", err
	}
	return s.relative(v)
}

// decoded undoes encoding-type=url, if the server says that it did it. In it,
// a space is "+" or "%20", and a plus sign is "%2B".
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
func decoded(v *string, enc types.EncodingType) (string, error) {
	if enc != types.EncodingTypeUrl {
		return aws.ToString(v), nil
	}
	out, err := url.QueryUnescape(aws.ToString(v))
	if err != nil {
		return "", fmt.Errorf("%w: name in a listing: %w", errUnbelievable, err)
	}
	return out, nil
}
