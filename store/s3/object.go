package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"mcfs/store"
)

// Put stores a whole object with one PutObject.
func (s *Store) Put(ctx context.Context, key string, b store.Body, attr store.Attributes, cond store.Condition) (store.Info, error) {
	if err := s.check("put", key, attr, cond); err != nil {
		return store.Info{}, err
	}
	body, err := newContent(b)
	if err != nil {
		return store.Info{}, fmt.Errorf("put %s: %w", s.Address(key), err)
	}
	in := &awss3.PutObjectInput{
		Bucket: &s.o.Bucket, Key: s.name(key),
		Body: body, ContentLength: aws.Int64(b.Size),
		ContentType: opt(attr.ContentType), Metadata: attr.Metadata,
		StorageClass: types.StorageClass(s.o.StorageClass), RequestPayer: s.payer(),
		ServerSideEncryption: types.ServerSideEncryption(s.o.SSE), SSEKMSKeyId: opt(s.o.SSEKMSKeyID),
		ChecksumCRC32C: s.crc32c(b.CRC32C), Tagging: s.tagging,
	}
	in.ObjectLockMode, in.ObjectLockRetainUntilDate = s.o.lock()
	in.IfMatch, in.IfNoneMatch = conditions(cond)
	etag, when, err := s.putObject(ctx, in)
	if err == nil && etag == "" {
		err = errNonsense
	}
	if err != nil {
		return store.Info{}, s.failure(ctx, "put", key, writeError(err, cond))
	}
	return store.Info{
		Key: key, Size: b.Size, ETag: quoted(&etag), Modified: when,
		ContentType: attr.ContentType, Metadata: attr.Metadata,
	}, nil
}

// writeError: a write with If-Match to an object that is gone answers 404
// NoSuchKey at Amazon; for the caller the condition did not hold.
func writeError(err error, cond store.Condition) error {
	if cond.IfMatch != "" && code(err) == "NoSuchKey" {
		return &smithy.GenericAPIError{Code: "PreconditionFailed", Message: "the object is gone"}
	}
	return err
}

// provenFor is how long a bucket counts as being there once it was found.
const provenFor = time.Second

// Head describes one object. An answer to HEAD has no body to say what is missing,
// the object or its bucket: a GET tells, now and then.
func (s *Store) Head(ctx context.Context, key string) (store.Info, error) {
	info, err := s.head(ctx, key)
	if at := s.proven.Load(); !errors.Is(err, store.ErrNotExist) || at != nil && time.Since(*at) < provenFor {
		return info, err
	}
	out, look := s.client.GetObject(ctx, &awss3.GetObjectInput{
		Bucket: &s.o.Bucket, Key: s.name(key), Range: rangeHeader(store.Range{Length: 1}), RequestPayer: s.payer(),
	})
	if look == nil {
		_ = out.Body.Close()
	}
	if look == nil || unsatisfiable(look) { // it has come since
		return s.head(ctx, key)
	}
	err = s.failure(ctx, "head", key, look)
	if errors.Is(err, store.ErrNotExist) {
		now := time.Now()
		s.proven.Store(&now)
	}
	return store.Info{}, err
}

func (s *Store) head(ctx context.Context, key string) (store.Info, error) {
	if err := s.check("head", key, store.Attributes{}, store.Condition{}); err != nil {
		return store.Info{}, err
	}
	out, when, err := s.headObject(ctx, key)
	if err == nil && aws.ToString(out.ETag) == "" {
		err = errNonsense
	}
	if err != nil {
		return store.Info{}, s.failure(ctx, "head", key, err)
	}
	return store.Info{
		Key: key, Size: aws.ToInt64(out.ContentLength), ETag: quoted(out.ETag), Modified: aws.ToTime(out.LastModified),
		Answered: when, ContentType: aws.ToString(out.ContentType), Metadata: out.Metadata,
	}, nil
}

// Get reads a range of an object.
func (s *Store) Get(ctx context.Context, key string, r store.Range, ifMatch string) (io.ReadCloser, store.Info, error) {
	if err := s.check("get", key, store.Attributes{}, store.Condition{}); err != nil {
		return nil, store.Info{}, err
	}
	if r.Offset < 0 || r.Length < 0 {
		return nil, store.Info{}, fmt.Errorf("get %s: range %d+%d is negative", s.Address(key), r.Offset, r.Length)
	}
	out, err := s.getObject(wantsContent(ctx), key, r, ifMatch)
	if unsatisfiable(err) {
		return s.getNothing(ctx, key, r, ifMatch)
	}
	if err != nil {
		return nil, store.Info{}, s.failure(ctx, "get", key, err)
	}
	size, err := whole(out, r)
	if err == nil && aws.ToString(out.ETag) == "" {
		err = errors.New("it has no ETag")
	}
	if err != nil {
		_ = out.Body.Close()
		return nil, store.Info{}, fmt.Errorf("get %s: %w: %w: %w", s.Address(key), store.ErrUnavailable, errNonsense, err)
	}
	info := store.Info{
		Key: key, Size: size, ETag: quoted(out.ETag), Modified: aws.ToTime(out.LastModified),
		ContentType: aws.ToString(out.ContentType), Metadata: out.Metadata,
	}
	if ifMatch != "" && info.ETag != ifMatch { // not every server heeds it
		_ = out.Body.Close()
		return nil, store.Info{}, fmt.Errorf("get %s: %w", s.Address(key), store.ErrPrecondition)
	}
	return &download{s: s, ctx: ctx, key: key, body: out.Body, left: aws.ToInt64(out.ContentLength)}, info, nil
}

// getNothing answers for a range at or after the end: 416 says neither ETag
// nor metadata.
func (s *Store) getNothing(ctx context.Context, key string, r store.Range, ifMatch string) (io.ReadCloser, store.Info, error) {
	info, err := s.Head(ctx, key)
	if err != nil {
		return nil, store.Info{}, err
	}
	if ifMatch != "" && info.ETag != ifMatch {
		return nil, store.Info{}, fmt.Errorf("get %s: %w", s.Address(key), store.ErrPrecondition)
	}
	if info.Size > r.Offset {
		return nil, store.Info{}, fmt.Errorf("get %s: %w: the object grew while it was read", s.Address(key), store.ErrConflict)
	}
	return http.NoBody, info, nil
}

func unsatisfiable(err error) bool {
	return statusOf(err) == http.StatusRequestedRangeNotSatisfiable
}

func rangeHeader(r store.Range) *string {
	switch {
	case r.Length > 0:
		return aws.String(fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1))
	case r.Offset > 0:
		return aws.String(fmt.Sprintf("bytes=%d-", r.Offset))
	}
	return nil
}

// whole is the size of the object that a ranged answer is of. It is an error
// if the answer is not the range that was asked for.
func whole(out *awss3.GetObjectOutput, r store.Range) (int64, error) {
	if out.ContentLength == nil {
		return 0, errors.New("answer has no Content-Length")
	}
	n := *out.ContentLength
	if rangeHeader(r) == nil {
		return n, nil
	}
	if out.ContentRange == nil { // 200: the whole object
		if r.Offset == 0 && n <= r.Length {
			return n, nil
		}
		return 0, errors.New("server ignored the range")
	}
	start, end, size, err := parseContentRange(*out.ContentRange)
	if err != nil {
		return 0, err
	}
	want := size - r.Offset
	if r.Length > 0 {
		want = min(want, r.Length)
	}
	if start != r.Offset || end-start+1 != n || n != want {
		return 0, fmt.Errorf("server answered %q with %d bytes to a request for %d+%d", *out.ContentRange, n, r.Offset, r.Length)
	}
	return size, nil
}

// parseContentRange reads "bytes FIRST-LAST/SIZE" (RFC 9110, section 14.4).
func parseContentRange(v string) (first, last, size int64, err error) {
	bad := fmt.Errorf("content range %q is not understood", v)
	rest, ok := strings.CutPrefix(v, "bytes ")
	span, total, ok2 := strings.Cut(rest, "/")
	from, to, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return 0, 0, 0, bad
	}
	var numbers [3]int64
	for i, text := range []string{from, to, total} {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return 0, 0, 0, bad
		}
		numbers[i] = int64(n)
	}
	first, last, size = numbers[0], numbers[1], numbers[2]
	if first > last || last >= size {
		return 0, 0, 0, bad
	}
	return first, last, size, nil
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, key string, cond store.Condition) error {
	if err := s.check("delete", key, store.Attributes{}, cond); err != nil {
		return err
	}
	if cond.IfNone {
		return fmt.Errorf("delete %s: a condition that the object is absent makes no sense", s.Address(key))
	}
	err := s.deleteObject(ctx, key, cond.IfMatch)
	switch {
	case code(err) == "NoSuchKey" && statusOf(err) == http.StatusNotFound:
		return nil
	case cond.IfMatch != "" && code(err) == "NotImplemented":
		return s.deleteCompared(ctx, key, cond.IfMatch)
	case cond.IfMatch != "" && code(err) == "PreconditionFailed":
		// Amazon says so of an object that is gone, too, or that an earlier
		// attempt of ours, whose answer was lost, has removed.
		if _, gone := s.Head(ctx, key); errors.Is(gone, store.ErrNotExist) {
			return nil
		}
	}
	return s.failure(ctx, "delete", key, err)
}

func (s *Store) deleteObject(ctx context.Context, key, ifMatch string) error {
	in := &awss3.DeleteObjectInput{Bucket: &s.o.Bucket, Key: s.name(key), IfMatch: opt(ifMatch), RequestPayer: s.payer()}
	err := s.direct.remove(ctx, in)
	if errors.Is(err, errElsewhere) {
		_, err = s.client.DeleteObject(ctx, in, s.direct.learn(*in.Key))
	}
	return err
}

// deleteCompared is for servers that refuse a condition: they leave a moment
// between looking and deleting.
func (s *Store) deleteCompared(ctx context.Context, key, ifMatch string) error {
	info, err := s.Head(ctx, key)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.ETag != ifMatch {
		return fmt.Errorf("delete %s: %w", s.Address(key), store.ErrPrecondition)
	}
	return s.failure(ctx, "delete", key, s.deleteObject(ctx, key, ""))
}

// CheckKey refuses a key of which S3 makes no object.
func (s *Store) CheckKey(key string) error { return store.CheckKey(s.o.Prefix, key) }

// check refuses what no server should be asked.
func (s *Store) check(op, key string, attr store.Attributes, cond store.Condition) error {
	err := errors.Join(store.CheckKey(s.o.Prefix, key), attr.Check(), cond.Check())
	if err != nil {
		return fmt.Errorf("%s %q: %w", op, s.Address(key), err)
	}
	return nil
}

func conditions(c store.Condition) (ifMatch, ifNoneMatch *string) {
	if c.IfNone {
		return nil, aws.String("*")
	}
	return opt(c.IfMatch), nil
}

// crc32c is a checksum as S3 spells it: base64 of four bytes, big-endian; nil
// where none is sent.
func (s *Store) crc32c(sum uint32) *string {
	if !s.checksums() {
		return nil
	}
	return aws.String(base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum)))
}

// quoted gives every ETag the quotes that HTTP gives it: some servers leave
// them out of XML, and a caller compares what different calls said.
func quoted(etag *string) string {
	v := aws.ToString(etag)
	if v == "" || strings.HasSuffix(v, `"`) {
		return v
	}
	return `"` + v + `"`
}

// answered is the server's time of an answer, our own if it told none.
func answered(m middleware.Metadata) time.Time {
	if t, ok := awsmiddleware.GetServerTime(m); ok && !t.IsZero() {
		return t
	}
	return time.Now()
}
