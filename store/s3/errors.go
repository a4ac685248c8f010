package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"mcfs/store"
)

// errNonsense: an answer that began well and lacks what every answer of its kind
// has. It counts as ErrUnavailable, since something on the way may have made it.
var errNonsense = errors.New("the answer is none that S3 gives")

// errShortBody: the caller's body had fewer bytes than it said. Permanent.
var errShortBody = errors.New("body is shorter than its size")

// byCode classifies S3's error codes, before the status does. What is not here
// and has no telling status stays unclassified.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
var byCode = map[string]error{
	"NoSuchKey":    store.ErrNotExist,
	"NoSuchBucket": store.ErrNoBucket,
	"NoSuchUpload": store.ErrNoUpload,

	"PreconditionFailed":         store.ErrPrecondition,
	"ConditionalRequestConflict": store.ErrConflict,
	"OperationAborted":           store.ErrConflict,

	"AccessDenied":          store.ErrDenied,
	"ExpiredToken":          store.ErrDenied,
	"TokenRefreshRequired":  store.ErrDenied,
	"InvalidToken":          store.ErrDenied,
	"InvalidAccessKeyId":    store.ErrDenied,
	"XAdminUserNotFound":    store.ErrDenied, // versitygw's word for it, with 404
	"SignatureDoesNotMatch": store.ErrDenied,
	"RequestTimeTooSkewed":  store.ErrDenied,
	"InvalidObjectState":    nil, // archived: 403, but no matter of rights

	"BadDigest":                  store.ErrChecksum,
	"InvalidDigest":              store.ErrChecksum,
	"XAmzContentSHA256Mismatch":  store.ErrChecksum,
	"XAmzContentChecksumInvalid": store.ErrChecksum,

	"SlowDown":                  store.ErrUnavailable,
	"RequestTimeout":            store.ErrUnavailable,
	"RequestTimeoutException":   store.ErrUnavailable,
	"Throttling":                store.ErrUnavailable,
	"ThrottlingException":       store.ErrUnavailable,
	"TooManyRequestsException":  store.ErrUnavailable,
	"RequestLimitExceeded":      store.ErrUnavailable,
	"BandwidthLimitExceeded":    store.ErrUnavailable,
	"InternalError":             store.ErrUnavailable,
	"ServiceUnavailable":        store.ErrUnavailable,
	"RequestThrottledException": store.ErrUnavailable,
	"NotImplemented":            nil, // 501: the server will not learn it by waiting
}

// byStatus classifies what has no known code. 404 is not here: with a code that
// is not known it may speak of a user or an account, and taking an object for
// deleted is worse than an error.
func byStatus(status int) error {
	switch {
	case status == http.StatusPreconditionFailed:
		return store.ErrPrecondition
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return store.ErrDenied
	case status == http.StatusTooManyRequests || status == http.StatusRequestTimeout,
		status >= 500 && status != http.StatusNotImplemented:
		return store.ErrUnavailable
	}
	return nil
}

// byHeadStatus classifies the answer to a HEAD, which has no body to hold a code.
// Amazon's 400 to it is said of credentials that have expired.
func byHeadStatus(status int) error {
	switch status {
	case http.StatusNotFound:
		return store.ErrNotExist
	case http.StatusBadRequest:
		return store.ErrDenied
	case http.StatusConflict:
		return store.ErrConflict
	}
	return byStatus(status)
}

func toHead(r *smithyhttp.ResponseError) bool {
	return r != nil && r.Response != nil && r.Response.Response != nil && r.Response.Request != nil && r.Response.Request.Method == http.MethodHead
}

// failure makes an error of this package: operation, key, class, and what was
// said, in one line. It is nil if err is.
func (s *Store) failure(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	class, said := classify(ctx, err)
	if class == nil {
		return fmt.Errorf("%s %s: %w", op, s.Address(key), said)
	}
	return fmt.Errorf("%s %s: %w: %w", op, s.Address(key), class, said)
}

// classify finds the class of an error, nil if there is none, and the part of
// the SDK's long text that tells something.
func classify(ctx context.Context, err error) (class, said error) {
	if ended := ctx.Err(); ended != nil {
		if errors.Is(ended, context.DeadlineExceeded) {
			return store.ErrUnavailable, ended
		}
		return nil, ended
	}
	if errors.Is(err, errShortBody) {
		return nil, errShortBody
	}
	for _, ours := range []error{errStalled, errStranger, errNonsense} {
		if errors.Is(err, ours) {
			return store.ErrUnavailable, ours
		}
	}
	var cred *credentialsError
	if errors.As(err, &cred) {
		var network net.Error
		if errors.As(cred.err, &network) && network.Timeout() {
			return store.ErrUnavailable, cred
		}
		return store.ErrDenied, cred
	}
	var api smithy.APIError
	status := statusOf(err)
	if errors.As(err, &api) {
		said := &answer{api, status}
		if class, ok := byCode[api.ErrorCode()]; ok {
			return class, said
		}
		var response *smithyhttp.ResponseError
		if errors.As(err, &response) && toHead(response) {
			return byHeadStatus(status), said
		}
		return byStatus(status), said
	}
	var send *smithyhttp.RequestSendError
	if errors.As(err, &send) {
		return store.ErrUnavailable, send.Err
	}
	if status >= 300 && byStatus(status) != nil {
		return byStatus(status), err
	}
	// An answer that began well and broke off, or could not be parsed.
	var broken *smithy.DeserializationError
	if errors.As(err, &broken) || status != 0 {
		return store.ErrUnavailable, err
	}
	return nil, err
}

// answer says what a server answered in fewer words than the SDK.
type answer struct {
	smithy.APIError
	status int
}

func (a *answer) Error() string {
	message := strings.TrimRight(a.ErrorMessage(), ". ") // a part of a sentence, which goes on
	if a.status != 0 && refusals[a.ErrorCode()] && byCode[a.ErrorCode()] == store.ErrDenied {
		return fmt.Sprintf("the server refuses these credentials, %s: %s (HTTP %d): put valid ones in their place; they are looked for again",
			a.ErrorCode(), message, a.status)
	}
	return fmt.Sprintf("%s: %s (HTTP %d)", a.ErrorCode(), message, a.status)
}

func (a *answer) Unwrap() error { return a.APIError }

// code is S3's error code, or "".
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// anonymous says that there are no credentials to sign with.
func anonymous(p aws.CredentialsProvider) bool {
	return p == nil || aws.IsCredentialsProvider(p, aws.AnonymousCredentials{})
}

// statusOf is the HTTP status that the server answered with, 0 if it did not.
func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		return response.HTTPStatusCode()
	}
	return 0
}
