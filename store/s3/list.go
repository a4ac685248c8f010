package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"mcfs/store"
)

// List gives one page.
func (s *Store) List(ctx context.Context, prefix, delimiter, token string, limit int) (store.Page, error) {
	if limit <= 0 || limit > store.MaxPage {
		limit = store.MaxPage
	}
	l, err := s.list(ctx, &awss3.ListObjectsV2Input{
		Bucket: &s.o.Bucket, Prefix: s.name(prefix), Delimiter: opt(delimiter), ContinuationToken: opt(token),
		MaxKeys: aws.Int32(int32(limit)), EncodingType: types.EncodingTypeUrl, RequestPayer: s.payer(),
	})
	if err == nil && !l.Told {
		err = errNonsense // an empty listing would tell of a bucket where nothing is left
	}
	if err != nil {
		return store.Page{}, s.failure(ctx, "list", prefix, err)
	}
	page := store.Page{Objects: make([]store.Info, 0, len(l.Objects))}
	encoding := types.EncodingType(l.Encoding)
	for _, o := range l.Objects {
		key, err := s.listed(&o.Key, encoding)
		if err != nil {
			return store.Page{}, fmt.Errorf("list %s: %w", s.Address(prefix), err)
		}
		if key == "" { // the marker of the prefix itself: no key of this store
			continue
		}
		if o.Size < 0 {
			return store.Page{}, fmt.Errorf("list %s: %w: %q has %d bytes", s.Address(prefix), errUnbelievable, key, o.Size)
		}
		page.Objects = append(page.Objects, store.Info{Key: key, Size: o.Size, ETag: quoted(&o.ETag), Modified: o.Modified})
	}
	for _, p := range l.Prefixes {
		key, err := s.listed(&p, encoding)
		if err != nil {
			return store.Page{}, fmt.Errorf("list %s: %w", s.Address(prefix), err)
		}
		page.Prefixes = append(page.Prefixes, key)
	}
	if !l.Truncated {
		return page, nil
	}
	page.Next = l.Next
	if page.Next == "" || page.Next == token {
		return store.Page{}, fmt.Errorf("list %s: %w: it repeats a page", s.Address(prefix), errUnbelievable)
	}
	return page, nil
}

// list asks without the SDK, or has it ask and reads the answer itself if it can.
func (s *Store) list(ctx context.Context, in *awss3.ListObjectsV2Input) (listing, error) {
	if l, err := s.direct.list(ctx, in); !errors.Is(err, errElsewhere) {
		return l, err
	}
	var read *listing
	out, err := s.client.ListObjectsV2(ctx, in, awss3.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Deserialize.Insert(middleware.DeserializeMiddlewareFunc("ReadListing",
			func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
				out, meta, err := next.HandleDeserialize(ctx, in)
				if r, ok := out.RawResponse.(*smithyhttp.Response); ok && err == nil && r.StatusCode == http.StatusOK {
					read, err = readListing(r.Response)
				}
				return out, meta, err
			}), "OperationDeserializer", middleware.After)
	}))
	if err != nil {
		return listing{}, err
	}
	if read != nil {
		return *read, nil
	}
	return listingOf(out), nil
}

// readListing reads an answer, and leaves an empty one in its place; nil, and the
// answer as it was, if it is for the SDK.
func readListing(r *http.Response) (*listing, error) {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	_ = r.Body.Close()
	if err != nil {
		r.Body = http.NoBody
		return nil, &smithy.DeserializationError{Err: fmt.Errorf("read the answer: %w", err)}
	}
	l, err := parseListing(text)
	if err != nil {
		r.Body = io.NopCloser(bytes.NewReader(text))
		return nil, nil
	}
	r.Body = io.NopCloser(bytes.NewReader([]byte("<ListBucketResult></ListBucketResult>")))
	return &l, nil
}

// listingOf is the same, as the SDK has read it.
func listingOf(out *awss3.ListObjectsV2Output) listing {
	l := listing{
		Objects: make([]listed, 0, len(out.Contents)), Told: out.IsTruncated != nil, Truncated: aws.ToBool(out.IsTruncated),
		Next: aws.ToString(out.NextContinuationToken), Encoding: string(out.EncodingType),
	}
	for _, o := range out.Contents {
		l.Objects = append(l.Objects, listed{aws.ToString(o.Key), aws.ToString(o.ETag), aws.ToInt64(o.Size), aws.ToTime(o.LastModified)})
	}
	for _, p := range out.CommonPrefixes {
		l.Prefixes = append(l.Prefixes, aws.ToString(p.Prefix))
	}
	return l
}
