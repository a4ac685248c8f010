package s3

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"mcfs/store"
)

// List gives one page.
func (s *Store) List(ctx context.Context, prefix, delimiter, token string, limit int) (store.Page, error) {
	if limit <= 0 || limit > store.MaxPage {
		limit = store.MaxPage
	}
	out, err := s.client.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{
		Bucket: &s.o.Bucket, Prefix: s.name(prefix), Delimiter: opt(delimiter), ContinuationToken: opt(token),
		MaxKeys: aws.Int32(int32(limit)), EncodingType: types.EncodingTypeUrl, RequestPayer: s.payer(),
	})
	if err != nil {
		return store.Page{}, s.failure(ctx, "list", prefix, err)
	}
	page := store.Page{Objects: make([]store.Info, 0, len(out.Contents))}
	for _, o := range out.Contents {
		key, err := s.listed(o.Key, out.EncodingType)
		if err != nil {
			return store.Page{}, fmt.Errorf("list %s: %w", s.Address(prefix), err)
		}
		if key == "" { // the marker of the prefix itself: no key of this store
			continue
		}
		page.Objects = append(page.Objects, store.Info{
			Key: key, Size: aws.ToInt64(o.Size), ETag: quoted(o.ETag), Modified: aws.ToTime(o.LastModified),
		})
	}
	for _, p := range out.CommonPrefixes {
		key, err := s.listed(p.Prefix, out.EncodingType)
		if err != nil {
			return store.Page{}, fmt.Errorf("list %s: %w", s.Address(prefix), err)
		}
		page.Prefixes = append(page.Prefixes, key)
	}
	if !aws.ToBool(out.IsTruncated) {
		return page, nil
	}
	page.Next = aws.ToString(out.NextContinuationToken)
	if page.Next == "" || page.Next == token {
		return store.Page{}, fmt.Errorf("list %s: the server repeats a page", s.Address(prefix))
	}
	return page, nil
}
