package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	smithytime "github.com/aws/smithy-go/time"
)

// unsigned says that the signature does not cover the content.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
const unsigned = "UNSIGNED-PAYLOAD"

// put is PutObject with content that the signature does not cover, to a server that
// is reached by TLS or on this machine; errElsewhere if the SDK is to do it.
func (d *direct) put(ctx context.Context, in *awss3.PutObjectInput) (etag string, when time.Time, err error) {
	header := http.Header{}
	set := func(name, value string) {
		if value != "" {
			header.Set(name, value)
		}
	}
	set("Content-Type", aws.ToString(in.ContentType))
	set("If-Match", aws.ToString(in.IfMatch))
	set("If-None-Match", aws.ToString(in.IfNoneMatch))
	set("X-Amz-Checksum-Crc32c", aws.ToString(in.ChecksumCRC32C))
	set("X-Amz-Storage-Class", string(in.StorageClass))
	set("X-Amz-Server-Side-Encryption", string(in.ServerSideEncryption))
	set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", aws.ToString(in.SSEKMSKeyId))
	set("X-Amz-Tagging", aws.ToString(in.Tagging))
	set("X-Amz-Object-Lock-Mode", string(in.ObjectLockMode))
	if in.ObjectLockRetainUntilDate != nil {
		set("X-Amz-Object-Lock-Retain-Until-Date", smithytime.FormatDateTime(*in.ObjectLockRetainUntilDate))
	}
	for name, value := range in.Metadata {
		header.Set("X-Amz-Meta-"+name, value)
	}
	body := &lent{r: in.Body}
	defer body.Close()
	r, err := d.ask(ctx, request{
		method: http.MethodPut, key: aws.ToString(in.Key), payer: string(in.RequestPayer), header: header,
		hash: unsigned, body: body, size: aws.ToInt64(in.ContentLength),
	})
	if err != nil {
		return "", time.Time{}, err
	}
	defer drain(r.Body)
	if r.StatusCode == http.StatusPreconditionFailed {
		return "", time.Time{}, notSo(r)
	}
	date := timeIn(r.Header, "Date")
	if etag = r.Header.Get("Etag"); r.StatusCode != http.StatusOK || etag == "" || date == nil {
		return "", time.Time{}, errElsewhere
	}
	return etag, *date, nil
}

// lent is a body that is taken back when the request is over: a connection may go
// on reading for a moment.
type lent struct {
	mu sync.Mutex
	r  io.Reader // nil once taken back
}

func (b *lent) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r == nil {
		return 0, errBack
	}
	return b.r.Read(p)
}

func (b *lent) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.r = nil
	return nil
}

var errBack = errors.New("the body was taken back")
