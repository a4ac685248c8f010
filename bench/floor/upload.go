package floor

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"golang.org/x/sync/errgroup"
)

// The parts of Upload.
const (
	PartSize = 16 << 20
	AtOnce   = 4
)

type part struct {
	XMLName    xml.Name `xml:"Part"`
	PartNumber int
	ETag       string
}

// Upload sends a file in parts.
func (c *Client) Upload(ctx context.Context, path, key string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var begun struct{ UploadId string }
	if _, err := c.do(ctx, http.MethodPost, key, url.Values{"uploads": {""}}, nil, nil, 0, &begun); err != nil {
		return err
	}
	parts := make([]part, (info.Size()+PartSize-1)/PartSize)
	group, partCtx := errgroup.WithContext(ctx)
	group.SetLimit(AtOnce)
	for i := range parts {
		group.Go(func() error {
			offset := int64(i) * PartSize
			size := min(PartSize, info.Size()-offset)
			query := url.Values{"uploadId": {begun.UploadId}, "partNumber": {strconv.Itoa(i + 1)}}
			header, err := c.do(partCtx, http.MethodPut, key, query, nil, io.NewSectionReader(f, offset, size), size, nil)
			if err != nil {
				return fmt.Errorf("part %d: %w", i+1, err)
			}
			if parts[i] = (part{PartNumber: i + 1, ETag: header.Get("ETag")}); parts[i].ETag == "" {
				return fmt.Errorf("part %d: %w", i+1, errNoETag)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	list, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"CompleteMultipartUpload"`
		Parts   []part
	}{Parts: parts})
	if err != nil {
		return err
	}
	_, err = c.do(ctx, http.MethodPost, key, url.Values{"uploadId": {begun.UploadId}}, nil, bytes.NewReader(list), int64(len(list)), nil)
	return err
}

// each does a small request for many keys, so many at once.
func each(ctx context.Context, count, atOnce int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	group.Go(func() error {
		defer close(next)
		for i := range count {
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range atOnce {
		group.Go(func() error {
			for i := range next {
				if err := do(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// Heads asks for count objects whose keys the function names.
func (c *Client) Heads(ctx context.Context, count, atOnce int, key func(i int) string) error {
	return each(ctx, count, atOnce, func(ctx context.Context, i int) error {
		_, err := c.do(ctx, http.MethodHead, key(i), nil, nil, nil, 0, nil)
		return err
	})
}

// Fill puts count small objects.
func (c *Client) Fill(ctx context.Context, count, atOnce int, key func(i int) string, content []byte) error {
	return each(ctx, count, atOnce, func(ctx context.Context, i int) error {
		_, err := c.do(ctx, http.MethodPut, key(i), nil, nil, bytes.NewReader(content), int64(len(content)), nil)
		return err
	})
}
