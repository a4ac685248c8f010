package kmstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	sigAlgorithm = "AWS4-HMAC-SHA256"
	amzTime      = "20060102T150405Z"
	maxSkew      = 5 * time.Minute
)

// authorization is a parsed Authorization header.
type authorization struct {
	accessKey, date, region, service string
	signed                           []string // names of the signed headers
	signature                        string
}

// authenticate checks Signature Version 4 as the service does, computed here
// from the specification rather than by the client's own library.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func (s *Server) authenticate(r *http.Request, body []byte) *apiError {
	auth, bad := parseAuthorization(r.Header.Get("Authorization"))
	if bad != nil {
		return bad
	}
	if auth.accessKey != s.opts.AccessKey || r.Header.Get("X-Amz-Security-Token") != s.opts.SessionToken {
		return refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if auth.service != "kms" {
		return refuse("InvalidSignatureException", "Credential should be scoped to correct service: 'kms'.")
	}
	if auth.region != s.opts.Region {
		return refuse("InvalidSignatureException", "Credential should be scoped to a valid region.")
	}
	if bad := checkDate(r.Header.Get("X-Amz-Date"), auth.date, time.Now()); bad != nil {
		return bad
	}
	if missing := unsignedHeader(r, auth.signed); missing != "" {
		return refuse("InvalidSignatureException", "'"+missing+"' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if !hmac.Equal([]byte(s.signature(r, auth, body)), []byte(auth.signature)) {
		return refuse("InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
	}
	return nil
}

func parseAuthorization(header string) (a authorization, bad *apiError) {
	if header == "" {
		return a, refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	incomplete := refuse("IncompleteSignatureException", "Authorization header is not of Signature Version 4.")
	rest, ok := strings.CutPrefix(header, sigAlgorithm+" ")
	if !ok {
		return a, incomplete
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[name]; !ok || twice {
			return a, incomplete
		}
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || len(fields) != 3 {
		return a, incomplete
	}
	a = authorization{accessKey: scope[0], date: scope[1], region: scope[2], service: scope[3]}
	a.signed, a.signature = strings.Split(fields["SignedHeaders"], ";"), fields["Signature"]
	if a.signature == "" || !slices.IsSorted(a.signed) {
		return a, incomplete
	}
	return a, nil
}

func checkDate(header, scope string, now time.Time) *apiError {
	at, err := time.Parse(amzTime, header)
	if err != nil {
		return refuse("IncompleteSignatureException", "X-Amz-Date is missing or not a date.")
	}
	if scope != header[:8] {
		return refuse("InvalidSignatureException", "Date in Credential scope does not match X-Amz-Date.")
	}
	if d := now.Sub(at).Abs(); d > maxSkew {
		return refuse("InvalidSignatureException", fmt.Sprintf("Signature expired: %s is %v away from now.", header, d.Round(time.Second)))
	}
	return nil
}

// unsignedHeader names a header that must be signed and is not.
func unsignedHeader(r *http.Request, signed []string) string {
	must := []string{"host", "x-amz-date", "x-amz-target", "content-type"}
	for name := range r.Header {
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-amz-") {
			must = append(must, n)
		}
	}
	for _, name := range must {
		if !slices.Contains(signed, name) {
			return name
		}
	}
	return ""
}

func (s *Server) signature(r *http.Request, a authorization, body []byte) string {
	scope := strings.Join([]string{a.date, a.region, a.service, "aws4_request"}, "/")
	request := sha256.Sum256([]byte(canonicalRequest(r, a.signed, body)))
	toSign := strings.Join([]string{sigAlgorithm, r.Header.Get("X-Amz-Date"), scope, hex.EncodeToString(request[:])}, "\n")
	key := []byte("AWS4" + s.opts.SecretKey)
	for _, part := range []string{a.date, a.region, a.service, "aws4_request", toSign} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	return hex.EncodeToString(key)
}

func canonicalRequest(r *http.Request, signed []string, body []byte) string {
	var b strings.Builder
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	query := strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, path, query)
	for _, name := range signed {
		fmt.Fprintf(&b, "%s:%s\n", name, canonicalValue(r, name))
	}
	sum := sha256.Sum256(body)
	fmt.Fprintf(&b, "\n%s\n%x", strings.Join(signed, ";"), sum)
	return b.String()
}

// canonicalValue is a header's value with runs of spaces made one.
func canonicalValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := slices.Clone(r.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}
