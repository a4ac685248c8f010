package s3

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/encoding/httpbinding"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"mcfs/credentials"
	"mcfs/store"
)

// direct is a short way for the requests that a tree of small files makes by the
// hundred thousand, HEAD, GET, PUT, DELETE and the listing in which one name is looked up,
// of which the SDK's costs several times what the request itself does (BenchmarkHead,
// BenchmarkPut, BenchmarkList).
//
// It carries out what goes well and nothing else: where and how to ask it learns
// from a request of the SDK's that was answered, it signs with the SDK's signer,
// and any answer that it does not expect is asked for again by the SDK, which
// knows about retries, skewed clocks, redirections and what errors mean.
type direct struct {
	client  *http.Client
	creds   aws.CredentialsProvider
	signer  *credentials.Signer
	address atomic.Pointer[address] // nil: not learnt yet
	foreign atomic.Bool             // listings are written in a way that parseListing does not read
}

// address is what all requests to a bucket have in common.
type address struct {
	scheme, host, path string // path: escaped, what comes before the escaped key
	service, region    string // of the signature
}

// errElsewhere: this request is for the SDK.
var errElsewhere = errors.New("not this way")

// emptySHA256 is that of a request without content.
var emptySHA256 = func() string {
	sum := sha256.Sum256(nil)
	return hex.EncodeToString(sum[:])
}()

func newDirect(o awss3.Options) *direct {
	d := &direct{creds: o.Credentials, signer: newSigner()}
	d.client, _ = o.HTTPClient.(*http.Client)
	return d
}

// learn has one request of the SDK's, for key, show the way, if that is still to be learnt.
func (d *direct) learn(key string) func(*awss3.Options) {
	if d.client == nil || d.address.Load() != nil {
		return func(*awss3.Options) {}
	}
	return awss3.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("LearnAddress",
			func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
				out, meta, err := next.HandleFinalize(ctx, in)
				if r, ok := in.Request.(*smithyhttp.Request); ok && err == nil {
					d.address.Store(addressOf(r.Request, key))
				}
				return out, meta, err
			}), middleware.After)
	})
}

// addressOf takes a signed request apart; nil if it is not the kind that can be imitated.
func addressOf(r *http.Request, key string) *address {
	path, ok := strings.CutSuffix(r.URL.EscapedPath(), httpbinding.EscapePath(key, false))
	if !ok || !strings.HasSuffix(path, "/") {
		return nil
	}
	auth, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=")
	if !ok {
		return nil
	}
	scope, _, _ := strings.Cut(auth, ",")
	elems := strings.Split(scope, "/") // ID/date/region/service/aws4_request; an ID has no slash
	if len(elems) != 5 || elems[3] != "s3" {
		return nil
	}
	return &address{scheme: r.URL.Scheme, host: r.URL.Host, path: path, service: elems[3], region: elems[2]}
}

// head is HeadObject; errElsewhere if the SDK is to do it.
func (d *direct) head(ctx context.Context, in *awss3.HeadObjectInput) (*awss3.HeadObjectOutput, time.Time, error) {
	r, err := d.ask(ctx, request{method: http.MethodHead, key: aws.ToString(in.Key), payer: string(in.RequestPayer)})
	if err != nil {
		return nil, time.Time{}, err
	}
	defer r.Body.Close()
	if r.StatusCode == http.StatusNotFound { // asked for to learn just that, as often as not
		return nil, time.Time{}, &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: r}, Err: &types.NotFound{}}
	}
	if r.StatusCode != http.StatusOK || r.ContentLength < 0 {
		return nil, time.Time{}, errElsewhere
	}
	out := &awss3.HeadObjectOutput{
		ContentLength: &r.ContentLength, ContentType: opt(r.Header.Get("Content-Type")), ETag: opt(r.Header.Get("Etag")),
		LastModified: timeIn(r.Header, "Last-Modified"), Metadata: metadataIn(r.Header),
	}
	when := timeIn(r.Header, "Date")
	if when == nil || out.LastModified == nil || out.ETag == nil {
		return nil, time.Time{}, errElsewhere
	}
	return out, *when, nil
}

// get is GetObject; errElsewhere if the SDK is to do it.
func (d *direct) get(ctx context.Context, in *awss3.GetObjectInput) (*awss3.GetObjectOutput, error) {
	header := http.Header{}
	if in.Range != nil {
		header.Set("Range", *in.Range)
	}
	if in.IfMatch != nil {
		header.Set("If-Match", *in.IfMatch)
	}
	r, err := d.ask(ctx, request{method: http.MethodGet, key: aws.ToString(in.Key), payer: string(in.RequestPayer), header: header})
	if err != nil {
		return nil, err
	}
	modified := timeIn(r.Header, "Last-Modified")
	if r.StatusCode == http.StatusPreconditionFailed { // which HTTP itself defines, whatever is written beside it
		drain(r.Body)
		return nil, notSo(r)
	}
	if r.StatusCode != http.StatusOK && r.StatusCode != http.StatusPartialContent || r.ContentLength < 0 || modified == nil {
		drain(r.Body)
		return nil, errElsewhere
	}
	return &awss3.GetObjectOutput{
		Body: r.Body, ContentLength: &r.ContentLength, ContentRange: opt(r.Header.Get("Content-Range")),
		ContentType: opt(r.Header.Get("Content-Type")), ETag: opt(r.Header.Get("Etag")),
		LastModified: modified, Metadata: metadataIn(r.Header),
	}, nil
}

// notSo says that a condition did not hold.
func notSo(r *http.Response) error {
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: r},
		Err:      &smithy.GenericAPIError{Code: "PreconditionFailed", Message: "the object is another by now"},
	}
}

// remove is DeleteObject; errElsewhere if the SDK is to do it.
func (d *direct) remove(ctx context.Context, in *awss3.DeleteObjectInput) error {
	header := http.Header{}
	if in.IfMatch != nil {
		header.Set("If-Match", *in.IfMatch)
	}
	r, err := d.ask(ctx, request{method: http.MethodDelete, key: aws.ToString(in.Key), payer: string(in.RequestPayer), header: header})
	if err != nil {
		return err
	}
	defer drain(r.Body)
	switch r.StatusCode {
	case http.StatusNoContent:
		return nil
	case http.StatusPreconditionFailed:
		return notSo(r)
	}
	return errElsewhere
}

// list is ListObjectsV2; errElsewhere if the SDK is to do it.
func (d *direct) list(ctx context.Context, in *awss3.ListObjectsV2Input) (listing, error) {
	if d.foreign.Load() {
		return listing{}, errElsewhere
	}
	query := url.Values{"list-type": {"2"}, "encoding-type": {string(in.EncodingType)}}
	set := func(name string, value *string) {
		if value != nil {
			query.Set(name, *value)
		}
	}
	set("prefix", in.Prefix)
	set("delimiter", in.Delimiter)
	set("continuation-token", in.ContinuationToken)
	if in.MaxKeys != nil {
		query.Set("max-keys", strconv.Itoa(int(*in.MaxKeys)))
	}
	r, err := d.ask(ctx, request{method: http.MethodGet, query: query, payer: string(in.RequestPayer)})
	if err != nil {
		return listing{}, err
	}
	if r.StatusCode != http.StatusOK {
		drain(r.Body)
		return listing{}, errElsewhere
	}
	l, err := readListing(r)
	switch {
	case err == nil:
	case ctx.Err() != nil || errors.Is(err, errStalled):
		return listing{}, &smithyhttp.RequestSendError{Err: err}
	default:
		return listing{}, errElsewhere
	}
	if l == nil {
		d.foreign.Store(true)
		return listing{}, errElsewhere
	}
	return *l, nil
}

// request is what distinguishes one request of a bucket from others.
type request struct {
	method, key, payer string
	query              url.Values // not nil: of the bucket, not of an object
	header             http.Header
	hash               string        // as the signature has it; "": of no content
	body               io.ReadCloser // nil: none
	size               int64
}

// ask makes the request and returns whatever was answered.
func (d *direct) ask(ctx context.Context, q request) (*http.Response, error) {
	to := d.address.Load()
	if to == nil {
		return nil, errElsewhere
	}
	creds, err := d.creds.Retrieve(ctx)
	if err != nil {
		return nil, errElsewhere
	}
	escaped := to.path + httpbinding.EscapePath(q.key, false)
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, errElsewhere
	}
	if q.query != nil && escaped != "/" { // as the SDK spells a bucket
		escaped, path = strings.TrimSuffix(escaped, "/"), strings.TrimSuffix(path, "/")
	}
	r := (&http.Request{
		Method: q.method, URL: &url.URL{Scheme: to.scheme, Host: to.host, Path: path, RawPath: escaped, RawQuery: q.query.Encode()},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: q.header, Host: to.host,
	}).WithContext(ctx)
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if q.size > 0 {
		r.Body, r.ContentLength = q.body, q.size
	} else if q.body != nil {
		r.Body = http.NoBody
	}
	if q.payer != "" {
		r.Header.Set("X-Amz-Request-Payer", q.payer)
	}
	hash := cmp.Or(q.hash, emptySHA256)
	r.Header.Set("X-Amz-Content-Sha256", hash)
	r.Header.Set("Accept-Encoding", "identity") // objects as they are stored
	if err := d.signer.SignHTTP(ctx, creds, r, hash, to.service, to.region, time.Now()); err != nil {
		return nil, errElsewhere
	}
	resp, err := d.client.Do(r)
	switch {
	case err == nil:
		return resp, nil
	case errors.Is(err, errShortBody):
		return nil, err
	case ctx.Err() != nil || errors.Is(err, errStalled): // the SDK would wait as long once more
		return nil, &smithyhttp.RequestSendError{Err: err}
	}
	return nil, errElsewhere
}

// drain reads what little an error says, so that the connection can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 4<<10)
	_ = body.Close()
}

func timeIn(h http.Header, name string) *time.Time {
	t, err := http.ParseTime(h.Get(name))
	if err != nil {
		return nil
	}
	return &t
}

// metadataIn is the object's own metadata, with names in lower case.
func metadataIn(h http.Header) map[string]string {
	m := make(map[string]string)
	for name, values := range h {
		if key, ok := strings.CutPrefix(name, "X-Amz-Meta-"); ok && len(values) > 0 {
			m[strings.ToLower(key)] = values[0]
		}
	}
	return m
}

// headObject describes an object, and says when.
func (s *Store) headObject(ctx context.Context, key string) (*awss3.HeadObjectOutput, time.Time, error) {
	in := &awss3.HeadObjectInput{Bucket: &s.o.Bucket, Key: s.name(key), RequestPayer: s.payer()}
	out, when, err := s.direct.head(ctx, in)
	if !errors.Is(err, errElsewhere) {
		return out, when, err
	}
	if out, err = s.client.HeadObject(ctx, in, s.direct.learn(*in.Key)); err != nil {
		return nil, time.Time{}, err
	}
	return out, answered(out.ResultMetadata), nil
}

func (s *Store) getObject(ctx context.Context, key string, r store.Range, ifMatch string) (*awss3.GetObjectOutput, error) {
	in := &awss3.GetObjectInput{
		Bucket: &s.o.Bucket, Key: s.name(key), Range: rangeHeader(r), IfMatch: opt(ifMatch), RequestPayer: s.payer(),
	}
	out, err := s.direct.get(ctx, in)
	if !errors.Is(err, errElsewhere) {
		return out, err
	}
	return s.client.GetObject(ctx, in, s.direct.learn(*in.Key))
}

// putObject stores a whole object, whose content can be read again, and says when.
func (s *Store) putObject(ctx context.Context, in *awss3.PutObjectInput) (etag string, when time.Time, err error) {
	if trusted(s.o.Endpoint) {
		etag, when, err = s.direct.put(ctx, in)
		if !errors.Is(err, errElsewhere) {
			return etag, when, err
		}
		if _, err := in.Body.(io.Seeker).Seek(0, io.SeekStart); err != nil {
			return "", time.Time{}, err
		}
	}
	out, err := s.client.PutObject(ctx, in, s.content, s.direct.learn(*in.Key))
	if err != nil {
		return "", time.Time{}, err
	}
	return aws.ToString(out.ETag), answered(out.ResultMetadata), nil
}
