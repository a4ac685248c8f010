// Package s3 is a store in Amazon S3, or in a server that speaks its protocol.
//
// It promises what package store asks, and besides: every request ends when no
// byte has moved for Options.Timeout; the bytes of an object are protected on
// their way by TLS or a CRC-32C or both, as configured, never by what an SDK
// happens to default to; conditions are sent to the operations that are known
// to honour them everywhere. It imports credentials,
// store, store/pace and the AWS SDK.
package s3

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"mcfs/credentials"
	"mcfs/store"
	"mcfs/store/pace"
)

// Values of Options.Checksum.
const (
	ChecksumCRC32C = "crc32c" // every upload carries the caller's CRC-32C (default)
	ChecksumNone   = "none"   // for servers that know no checksum headers
)

// Options of a Store; they are as many as the configuration has keys for it.
type Options struct {
	AWS          aws.Config // credentials, and an HTTP client whose TLS settings and proxy are kept
	Bucket       string
	Prefix       string // put before every key as it is; "" or ending in "/"
	Region       string // AWS.Region if empty
	Endpoint     string // URL of an S3-compatible server; if empty that of AWS, else Amazon's
	InsecureHTTP bool   // allows http to another machine
	PathStyle    bool
	StorageClass string // S3's name; empty for the bucket's default
	SSE          string // "AES256", "aws:kms", "aws:kms:dsse"; empty for the bucket's default
	SSEKMSKeyID  string
	RequestPayer string // "requester" or empty
	Checksum     string // ChecksumCRC32C if empty
	Amazon
	Marks
	// Timeout ends a request, and the reading of a body, when no byte moved
	// for so long; 60 s if zero.
	Timeout time.Duration
	// Concurrency is how many requests are under way at most: it sizes the
	// pool of idle connections and bounds the parts of one copy; 8 if zero.
	Concurrency int
	Pace        *pace.Limiter // of what is put; nil: any rate
	Trickle     bool          // the pace may be slow: send in small pieces
	Log         *slog.Logger  // slog.Default if nil
}

// Store is a bucket and prefix. It implements store.Store.
type Store struct {
	client    *awss3.Client
	direct    *direct
	tagging   *string // as the header has it
	transport *http.Transport
	answers   *bounded // over transport
	o         Options
	// What the client signs with, unless there is nothing.
	credentials credentialsSource
	// For the two operations that carry content; see payload.
	content func(*awss3.Options)
	// When the bucket was last found to be there without an object; see Head.
	proven atomic.Pointer[time.Time]
	// The server's, by the dates of its answers.
	clock store.Clock
	// How it copies under a condition.
	detour detour
	// The least that one UploadPartCopy moves, in bytes.
	copySize int64
}

var _ store.Store = (*Store)(nil)

const (
	maxAttempts = 3 // of a request, the first one included
	maxBackoff  = time.Second
)

// New opens a store; nothing touches the network before the first call (see Check).
func New(o Options) (*Store, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	transport := newTransport(o.AWS.HTTPClient, o.Concurrency)
	if o.Trickle {
		transport.WriteBufferSize = pacedBuffer
	}
	s := &Store{
		transport: transport, o: o, copySize: copyPart, tagging: o.Marks.tagging(),
		credentials: credentialsSource{credentials.New(o.AWS.Credentials, o.Timeout)},
	}
	s.answers = &bounded{&watchdog{next: &dated{transport, &s.clock}, timeout: o.Timeout, pace: o.Pace}, maxAnswer}
	s.client = awss3.NewFromConfig(o.AWS, func(c *awss3.Options) {
		c.Region = o.Region
		c.UsePathStyle = o.PathStyle
		o.Amazon.choose(c)
		if o.Endpoint != "" {
			c.BaseEndpoint = aws.String(o.Endpoint)
		}
		c.HTTPClient = &http.Client{
			Transport: s.answers,
			// S3 redirects to other regions; a signature does not follow.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		if !anonymous(o.AWS.Credentials) {
			c.Credentials = s.credentials
		}
		c.Retryer = newRetryer(s.credentials)
		c.HTTPSignerV4 = newSigner()
		c.RetryMaxAttempts = maxAttempts
		c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		c.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		c.ContinueHeaderThresholdBytes = -1 // the wait for "100 Continue" costs a round trip each
		c.DisableLogOutputChecksumValidationSkipped = true
	})
	// The environment and the AWS configuration can name a server as well.
	s.o.Endpoint = aws.ToString(s.client.Options().BaseEndpoint)
	s.content = payload(s.o.Endpoint)
	if err := s.o.checkEndpoint(); err != nil {
		return nil, err
	}
	if s.o.Endpoint != "" && inClear(s.o.Endpoint) && !o.InsecureHTTP {
		stayHere(transport)
	}
	s.direct = newDirect(s.client.Options())
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Region == "" {
		o.Region = o.AWS.Region
	}
	if o.Region == "" && o.Endpoint != "" {
		o.Region = "us-east-1" // what compatible servers expect unless told otherwise
	}
	if o.Checksum == "" {
		o.Checksum = ChecksumCRC32C
	}
	if o.Timeout <= 0 {
		o.Timeout = 60 * time.Second
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 8
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Bucket == "":
		return errors.New("s3 store: no bucket configured: set store.bucket")
	case o.Region == "":
		return errors.New("s3 store: no region configured: set store.region or AWS_REGION")
	case o.Checksum != ChecksumCRC32C && o.Checksum != ChecksumNone:
		return fmt.Errorf("s3 store: checksum %q is neither %q nor %q", o.Checksum, ChecksumCRC32C, ChecksumNone)
	case o.LockMode != "" && o.Checksum == ChecksumNone:
		return errors.New("s3 store: S3 locks no object that comes without a checksum: remove store.object_lock_mode, or upload.checksum")
	case len(o.Prefix) >= store.MaxKey:
		return fmt.Errorf("s3 store: prefix of %d bytes leaves no room for keys", len(o.Prefix))
	}
	return nil
}

// checkEndpoint refuses to speak without TLS to another machine, unless told to.
func (o Options) checkEndpoint() error {
	if o.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("s3 store: endpoint %q is not an http:// or https:// URL", o.Endpoint)
	}
	if !o.InsecureHTTP && !trusted(o.Endpoint) {
		return fmt.Errorf("s3 store: endpoint %s would carry requests readable and unprotected over the network: use https (store.endpoint, AWS_ENDPOINT_URL_S3), or set store.insecure_http = true", o.Endpoint)
	}
	return nil
}

// newRetryer is the SDK's standard one, with few attempts and short waits:
// what fails longer is for the caller's queue. It has no quota over calls, for
// one call's failures must not take away another's second attempt. Where credentials
// were refused it tries again if there are others.
func newRetryer(credentials credentialsSource) aws.Retryer {
	return retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts, r.MaxBackoff = maxAttempts, maxBackoff
		r.RateLimiter = ratelimit.None
		// A stalled attempt has used up the time without progress already.
		r.Retryables = append([]retry.IsErrorRetryable{
			retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusTooManyRequests: {}}},
			retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
				if errors.Is(err, errStalled) || errors.Is(err, errShortBody) || errors.As(err, new(*credentialsError)) {
					return aws.FalseTernary
				}
				return aws.UnknownTernary
			}),
			retry.IsErrorRetryableFunc(credentials.retryRefused),
		}, r.Retryables...)
	})
}

// payload says how the content of PutObject and UploadPart is signed. TLS
// protects it by itself; over loopback nobody is between, and the CRC-32C
// finds what a program breaks; SHA-256 would cost a third of a core per
// 600 MB/s. Anywhere else the signature covers the payload.
func payload(endpoint string) func(*awss3.Options) {
	if !trusted(endpoint) {
		return func(*awss3.Options) {}
	}
	return awss3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

func trusted(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	return endpoint == "" || u.Scheme == "https" || loopback(u.Hostname())
}

func inClear(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err != nil || u.Scheme != "https"
}

// loopback names are this machine's: RFC 6761, section 6.3. See stayHere.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.Unmap().IsLoopback()
}

// name is the whole key of a relative one.
func (s *Store) name(key string) *string { return aws.String(s.o.Prefix + key) }

func (s *Store) relative(name string) (string, error) {
	key, ok := strings.CutPrefix(name, s.o.Prefix)
	if !ok {
		return "", fmt.Errorf("%w: key %q is not below prefix %q", errNonsense, name, s.o.Prefix)
	}
	return key, nil
}

func (s *Store) payer() types.RequestPayer { return types.RequestPayer(s.o.RequestPayer) }

func (s *Store) checksums() bool { return s.o.Checksum == ChecksumCRC32C }

// Now is the server's clock.
func (s *Store) Now() store.Span { return s.clock.Now() }

// Region is the one for which requests are signed.
func (s *Store) Region() string { return s.o.Region }

// Address is the key's s3:// URL.
func (s *Store) Address(key string) string { return "s3://" + s.o.Bucket + "/" + s.o.Prefix + key }

// Close closes idle connections. Calls under way go on.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// where is the place that an error speaks of.
func (s *Store) where() string {
	if s.o.Endpoint == "" {
		return "Amazon S3 in " + s.o.Region
	}
	return s.o.Endpoint
}

// opt is a pointer to s, or nil if it is empty.
func opt(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
