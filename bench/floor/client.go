// Package floor is the least that a client of S3 can do: multipart uploads whose
// payload is neither signed nor summed, and loops of small requests. It is the
// limit that others are held against, no library to build upon: it does not
// retry.
package floor

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const unsigned = "UNSIGNED-PAYLOAD"

// Client speaks to one bucket.
type Client struct {
	bucket string // URL of the bucket
	name   string
	region string
	who    aws.Credentials
	signer *v4.Signer
	http   *http.Client
}

// New is a client of a bucket at a server, with connections for so many
// requests at once.
func New(ctx context.Context, endpoint, bucket string, c aws.Config, atOnce int) (*Client, error) {
	who, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	return &Client{
		bucket: endpoint + "/" + bucket, name: bucket, region: c.Region, who: who, signer: v4.NewSigner(),
		http: &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: atOnce + 1, DisableCompression: true,
			WriteBufferSize: 256 << 10, ReadBufferSize: 64 << 10,
		}},
	}, nil
}

// Close lets the connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// do sends one request and drains the answer, into a value if one is given.
func (c *Client) do(ctx context.Context, method, key string, query url.Values, header http.Header, body io.Reader, size int64, into any) (http.Header, error) {
	target := c.bucket + "/" + (&url.URL{Path: key}).EscapedPath()
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	r.URL.RawQuery, r.ContentLength = query.Encode(), size
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("X-Amz-Content-Sha256", unsigned)
	if err := c.signer.SignHTTP(ctx, c.who, r, unsigned, "s3", c.region, time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, key, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %.300s", method, key, resp.Status, text)
	}
	if into != nil {
		if err := xml.Unmarshal(text, into); err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, key, err)
		}
	}
	return resp.Header, nil
}

// Copy has the server copy an object.
func (c *Client) Copy(ctx context.Context, from, to string) error {
	header := http.Header{"X-Amz-Copy-Source": {url.PathEscape(c.name + "/" + from)}}
	_, err := c.do(ctx, http.MethodPut, to, nil, header, nil, 0, &struct {
		XMLName xml.Name `xml:"CopyObjectResult"`
	}{})
	return err
}

var errNoETag = errors.New("the answer has no ETag")
