package keys

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// codeKinds says what each error code of KMS means to a caller. Codes not
// listed are judged by the HTTP status.
// https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
var codeKinds = map[string]error{
	"InvalidCiphertextException": ErrMalformed,
	"IncorrectKeyException":      ErrOtherKeeper,

	"DisabledException":             ErrKeyState,
	"KMSInvalidStateException":      ErrKeyState,
	"NotFoundException":             ErrKeyState,
	"InvalidKeyUsageException":      ErrKeyState,
	"InvalidArnException":           ErrKeyState,
	"InvalidAliasNameException":     ErrKeyState,
	"UnsupportedOperationException": ErrKeyState,
	"ValidationException":           ErrKeyState,

	"AccessDenied":                        ErrDenied,
	"AccessDeniedException":               ErrDenied,
	"ExpiredToken":                        ErrDenied,
	"ExpiredTokenException":               ErrDenied,
	"IncompleteSignature":                 ErrDenied,
	"IncompleteSignatureException":        ErrDenied,
	"InvalidClientTokenId":                ErrDenied,
	"InvalidSignatureException":           ErrDenied,
	"InvalidToken":                        ErrDenied,
	"MissingAuthenticationToken":          ErrDenied,
	"MissingAuthenticationTokenException": ErrDenied,
	"NotAuthorized":                       ErrDenied,
	"OptInRequired":                       ErrDenied,
	"RequestExpired":                      ErrDenied,
	"SignatureDoesNotMatch":               ErrDenied,
	"UnrecognizedClientException":         ErrDenied,
}

// refusals are the codes by which KMS says that it does not know the credentials: a
// session that has ended, a key that was deleted, a secret that was replaced.
var refusals = map[string]bool{
	"ExpiredToken": true, "ExpiredTokenException": true, "RequestExpired": true,
	"InvalidClientTokenId": true, "UnrecognizedClientException": true, "InvalidToken": true,
	"InvalidSignatureException": true, "SignatureDoesNotMatch": true,
}

// callError is one failed call: what was called on which key, what the caller
// can make of it, and in one line why. The chain keeps the SDK's error.
type callError struct {
	op, key, why string
	kind, cause  error
}

func (e *callError) Error() string {
	op := "kms " + e.op
	if e.key != "" {
		op += " " + e.key
	}
	return op + ": " + e.kind.Error() + ": " + e.why
}

func (e *callError) Unwrap() []error { return []error{e.kind, e.cause} }

// failed turns what the SDK returned into a typed error. c is the context of
// the call, from deadline: one that the caller cancelled says nothing of KMS.
func (k *KMS) failed(c context.Context, op, key string, err error) error {
	if errors.Is(c.Err(), context.Canceled) {
		return fmt.Errorf("kms %s: %w", op, errors.Join(c.Err(), otherCause(c)))
	}
	e := &callError{op: op, key: key, kind: kindOf(err), cause: err, why: oneLine(reason(err))}
	if e.kind != ErrUnavailable || c.Err() == nil {
		return e
	}
	e.why, e.cause = "no answer in the time that the caller gave", errors.Join(err, c.Err())
	if context.Cause(c) == errTooSlow {
		e.why = fmt.Sprintf("no answer within %v", k.timeout)
	}
	return e
}

// otherCause is why the caller cancelled, if it said more than that it did.
func otherCause(c context.Context) error {
	if cause := context.Cause(c); cause != c.Err() {
		return cause
	}
	return nil
}

// nonsense is an answer of status 200 that cannot be used.
func (k *KMS) nonsense(op, key, why string) error {
	return &callError{op: op, key: key, kind: ErrUnavailable, why: why, cause: errors.New(why)}
}

func kindOf(err error) error {
	if _, ok := errors.AsType[*credentialsError](err); ok {
		return ErrDenied
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if kind := codeKinds[api.ErrorCode()]; kind != nil {
			return kind
		}
	}
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		switch resp.HTTPStatusCode() {
		case http.StatusUnauthorized, http.StatusForbidden:
			return ErrDenied
		}
	}
	return ErrUnavailable
}

// reason is the part of the SDK's long chain that a person can use.
func reason(err error) string {
	if c, ok := errors.AsType[*credentialsError](err); ok {
		return c.Error()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if m := api.ErrorMessage(); m != "" {
			return api.ErrorCode() + ": " + m
		}
		return api.ErrorCode()
	}
	if send, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return send.Err.Error()
	}
	return err.Error()
}

// oneLine keeps a server's message from spreading over a log, and makes it a part of a
// sentence: a cure follows, with a full stop before.
func oneLine(s string) string {
	const most = 600 // bytes
	s = strings.TrimRight(strings.Join(strings.Fields(s), " "), ". ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
