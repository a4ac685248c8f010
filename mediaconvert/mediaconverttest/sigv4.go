package mediaconverttest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	amzTime = "20060102T150405Z"
	maxSkew = 5 * time.Minute
)

// authenticate checks a request's signature: it signs the headers that the client has signed
// anew, for this region and service, and compares.
func (s *Server) authenticate(r *http.Request, body []byte) *apiError {
	header := r.Header.Get("Authorization")
	_, rest, _ := strings.Cut(header, "SignedHeaders=")
	list, _, ok := strings.Cut(rest, ",")
	if !ok {
		return refuse("ForbiddenException", "Missing Authentication Token")
	}
	at, err := time.Parse(amzTime, r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > maxSkew {
		return refuse("ForbiddenException", "X-Amz-Date is missing, or too far from now.")
	}
	signed := strings.Split(list, ";")
	for name := range r.Header {
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-amz-") && !slices.Contains(signed, n) {
			return refuse("ForbiddenException", "'"+n+"' must be a 'SignedHeader' in the AWS Authorization.")
		}
	}
	copied, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return refuse("BadRequestException", err.Error())
	}
	copied.ContentLength = r.ContentLength
	for _, name := range signed {
		if name != "host" && name != "content-length" {
			copied.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	sum := sha256.Sum256(body)
	creds := aws.Credentials{AccessKeyID: s.opts.AccessKey, SecretAccessKey: s.opts.SecretKey}
	err = v4.NewSigner().SignHTTP(context.Background(), creds, copied, hex.EncodeToString(sum[:]), "mediaconvert", s.opts.Region, at)
	if err != nil || copied.Header.Get("Authorization") != header {
		return refuse("ForbiddenException", "The request signature we calculated does not match the signature you provided.")
	}
	return nil
}
