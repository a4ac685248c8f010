package s3

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"mcfs/store"
)

// copyPart is the usual least that one UploadPartCopy moves: little enough to end
// well within a time limit without progress, for a server may say nothing
// until it is done.
const copyPart = 256 << 20

// Copy copies within the store.
func (s *Store) Copy(ctx context.Context, c store.Copy) (store.Info, error) {
	if err := s.checkCopy(c); err != nil {
		return store.Info{}, err
	}
	conditional := c.Condition != (store.Condition{})
	switch {
	case conditional && c.Size == 0: // no part can be empty
		return s.copyEmpty(ctx, c)
	case conditional && s.detour.taken.Load():
		return s.copyDetour(ctx, c)
	case conditional || c.Size > store.MaxCopy && !s.detour.taken.Load():
		info, err := s.copyParts(ctx, c)
		if !errors.Is(err, errNoPartCopy) {
			return info, err
		}
		s.takeDetour(err)
		return s.Copy(ctx, c)
	}
	return s.copyWhole(ctx, c)
}

func (s *Store) checkCopy(c store.Copy) error {
	if err := s.check("copy", c.Source, store.Attributes{}, store.Condition{}); err != nil {
		return err
	}
	if err := s.check("copy to", c.Target, c.Attributes, c.Condition); err != nil {
		return err
	}
	if c.SourceIfMatch == "" || c.Size < 0 {
		return fmt.Errorf("copy %s: the source's ETag and size are required", s.Address(c.Source))
	}
	return nil
}

func (s *Store) copyWhole(ctx context.Context, c store.Copy) (store.Info, error) {
	ifMatch, ifNoneMatch := conditions(c.Condition)
	mode, until := s.o.lock()
	in := &awss3.CopyObjectInput{
		IfMatch: ifMatch, IfNoneMatch: ifNoneMatch,
		Bucket: &s.o.Bucket, Key: s.name(c.Target),
		CopySource: s.copySource(c.Source), CopySourceIfMatch: &c.SourceIfMatch,
		MetadataDirective: types.MetadataDirectiveReplace, Metadata: c.Attributes.Metadata,
		ContentType:  opt(c.Attributes.ContentType),
		StorageClass: types.StorageClass(s.o.StorageClass), RequestPayer: s.payer(),
		ServerSideEncryption: types.ServerSideEncryption(s.o.SSE), SSEKMSKeyId: opt(s.o.SSEKMSKeyID),
		ObjectLockMode: mode, ObjectLockRetainUntilDate: until,
	}
	if s.tagging != nil {
		in.Tagging, in.TaggingDirective = s.tagging, types.TaggingDirectiveReplace
	}
	out, err := s.client.CopyObject(ctx, in)
	if err == nil && (out.CopyObjectResult == nil || aws.ToString(out.CopyObjectResult.ETag) == "") {
		err = errNonsense
	}
	if err != nil {
		failed := s.failure(ctx, "copy to "+s.Address(c.Target)+" from", c.Source, writeError(err, c.Condition))
		if c.Condition != (store.Condition{}) && notOffered(err) {
			failed = fmt.Errorf("%w: %w", errUnheeded, failed)
		}
		return store.Info{}, failed
	}
	info := store.Info{
		Key: c.Target, Size: c.Size, Modified: answered(out.ResultMetadata),
		ContentType: c.Attributes.ContentType, Metadata: c.Attributes.Metadata,
	}
	info.ETag = quoted(out.CopyObjectResult.ETag)
	return info, nil
}

// copyParts copies by ranges, each pinned to the source's ETag, and completes
// under the condition.
func (s *Store) copyParts(ctx context.Context, c store.Copy) (store.Info, error) {
	up, err := s.begin(ctx, c.Target, c.Attributes, "")
	if err != nil {
		return store.Info{}, err
	}
	if c.Begun != nil {
		err = c.Begun(up)
	}
	var info store.Info
	if err == nil {
		info, err = s.copyInto(ctx, up, c)
	}
	if err != nil {
		s.forget(ctx, up)
		return store.Info{}, err
	}
	info.ContentType, info.Metadata = c.Attributes.ContentType, c.Attributes.Metadata
	return info, nil
}

func (s *Store) copyInto(ctx context.Context, up store.Upload, c store.Copy) (store.Info, error) {
	size := max(s.copySize, (c.Size+store.MaxParts-1)/store.MaxParts)
	n := int((c.Size + size - 1) / size)
	parts, done := make([]store.Part, n), make([]types.CompletedPart, n)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(s.o.Concurrency)
	for i := range n {
		first := int64(i) * size
		last := min(first+size, c.Size) - 1
		group.Go(func() error {
			p, err := s.copyPart(gctx, up, c, i+1, first, last)
			parts[i] = store.Part{Number: i + 1, Size: last - first + 1}
			done[i] = p
			if err == nil && c.Moved != nil {
				c.Moved(last - first + 1)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return store.Info{}, s.explainCopy(ctx, c, err)
	}
	return s.complete(ctx, up, parts, done, c.Condition)
}

func (s *Store) copyPart(ctx context.Context, up store.Upload, c store.Copy, number int, first, last int64) (types.CompletedPart, error) {
	out, err := s.client.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{
		Bucket: &s.o.Bucket, Key: s.name(c.Target), UploadId: &up.ID, PartNumber: aws.Int32(int32(number)),
		CopySource: s.copySource(c.Source), CopySourceIfMatch: &c.SourceIfMatch,
		CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", first, last)), RequestPayer: s.payer(),
	})
	if err == nil && out.CopyPartResult == nil { // it has taken a part of no bytes for what was to be copied
		return types.CompletedPart{}, fmt.Errorf("copy bytes %d to %d of %s: %w", first, last, s.Address(c.Source), errNoPartCopy)
	}
	if err == nil && aws.ToString(out.CopyPartResult.ETag) == "" {
		err = errNonsense
	}
	if err != nil {
		failed := s.failure(ctx, fmt.Sprintf("copy bytes %d to %d of", first, last), c.Source, err)
		if notOffered(err) {
			failed = fmt.Errorf("%w: %w", errNoPartCopy, failed)
		}
		return types.CompletedPart{}, failed
	}
	r := out.CopyPartResult
	return types.CompletedPart{
		PartNumber: aws.Int32(int32(number)), ETag: r.ETag,
		// Checksums that the server made, if it wants them back.
		ChecksumCRC32: r.ChecksumCRC32, ChecksumCRC32C: r.ChecksumCRC32C, ChecksumCRC64NVME: r.ChecksumCRC64NVME,
		ChecksumSHA1: r.ChecksumSHA1, ChecksumSHA256: r.ChecksumSHA256,
	}, nil
}

// explainCopy looks at the source after a refusal: some servers check the
// range, which an exchanged source may not have, before the ETag.
func (s *Store) explainCopy(ctx context.Context, c store.Copy, err error) error {
	if code(err) != "InvalidRange" && code(err) != "InvalidArgument" {
		return err
	}
	info, lookErr := s.Head(ctx, c.Source)
	switch {
	case errors.Is(lookErr, store.ErrNotExist):
		return lookErr
	case lookErr == nil && info.ETag != c.SourceIfMatch:
		return fmt.Errorf("copy %s: %w", s.Address(c.Source), store.ErrPrecondition)
	}
	return err
}

// forget aborts an upload of our own that came to nothing, although its
// context may have ended.
func (s *Store) forget(ctx context.Context, up store.Upload) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.Timeout)
	defer cancel()
	if err := s.Abort(ctx, up); err != nil {
		s.o.Log.Warn("an upload of a copy remains in the bucket", "key", up.Key, "upload", up.ID, "error", err)
	}
}

// copyEmpty copies an object of no bytes under a condition.
func (s *Store) copyEmpty(ctx context.Context, c store.Copy) (store.Info, error) {
	body, info, err := s.Get(ctx, c.Source, store.Range{}, c.SourceIfMatch)
	if err != nil {
		return store.Info{}, err
	}
	n, err := io.Copy(io.Discard, io.LimitReader(body, 1))
	_ = body.Close()
	if err != nil {
		return store.Info{}, err
	}
	if n != 0 || info.Size != 0 {
		return store.Info{}, fmt.Errorf("copy %s: %w: it has %d bytes, not 0", s.Address(c.Source), store.ErrPrecondition, info.Size)
	}
	empty := store.Body{ReadSeeker: strings.NewReader(""), CRC32C: crc32.Checksum(nil, castagnoli)}
	return s.Put(ctx, c.Target, empty, c.Attributes, c.Condition)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// copySource is the header's value: bucket and key, percent-encoded but for
// the slashes.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
func (s *Store) copySource(key string) *string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/"
	source := s.o.Bucket + "/" + s.o.Prefix + key
	var b strings.Builder
	for i := range len(source) {
		if c := source[i]; strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return aws.String(b.String())
}
