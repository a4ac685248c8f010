package kmstest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

const (
	contentType = "application/x-amz-json-1.1"
	targetStart = "TrentService."
	maxBody     = 64 << 10 // bytes; KMS takes less
)

// apiError is what a refused request gets, in KMS's form.
type apiError struct{ code, message string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

func refuse(code, message string) *apiError { return &apiError{code, message} }

// status is the HTTP status of an error code; KMS answers 400 to most.
// https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
func (e *apiError) status() int {
	switch e.code {
	case "KMSInternalException", "KeyUnavailableException", "InternalFailure":
		return http.StatusInternalServerError
	case "DependencyTimeoutException", "ServiceUnavailable":
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// ServeHTTP answers one request. What no right client would send is a
// violation as well as an error.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return // the client went away
	}
	action, bad := s.admit(r, body)
	if bad != nil {
		s.violate("%s %s: %v", r.Method, r.Header.Get("X-Amz-Target"), bad)
		answerError(w, bad)
		return
	}
	call := Call{At: time.Now(), Action: action}
	if !s.pause(r, s.delay()) {
		panic(http.ErrAbortHandler) // a plain return would be an answer of status 200
	}
	code := s.nextFault()
	if code == DropConnection || code == Stall {
		call.Code = code
		s.record(call)
		if code == Stall {
			s.pause(r, never)
		}
		panic(http.ErrAbortHandler) // closes the connection, logs nothing
	}
	var out any
	if code != "" {
		bad = refuse(code, "on demand of the test")
	} else {
		out, bad = actions[action](s, &call, body)
	}
	if bad != nil {
		call.Code = bad.code
	}
	s.record(call)
	if bad != nil {
		answerError(w, bad)
		return
	}
	answer(w, http.StatusOK, out)
}

// admit checks all that is the same for every action, and returns the action.
func (s *Server) admit(r *http.Request, body []byte) (string, *apiError) {
	if len(body) > maxBody {
		return "", refuse("ValidationException", "the request is too long")
	}
	if bad := s.authenticate(r, body); bad != nil {
		return "", bad
	}
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.URL.RawQuery != "" {
		return "", refuse("UnknownOperationException", "requests are POST /")
	}
	if r.Header.Get("Content-Type") != contentType {
		return "", refuse("SerializationException", "the content type must be "+contentType)
	}
	action, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetStart)
	if !ok || actions[action] == nil {
		return "", refuse("UnknownOperationException", "X-Amz-Target names no action that is known here")
	}
	return action, nil
}

const never = 24 * time.Hour

func (s *Server) delay() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latency
}

// pause is false if the client or the server ended first.
func (s *Server) pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
	return false
}

// checkContext refuses any context but MediaConvert's. A wrong one at a
// decryption needs no rule of its own: the blob does not open under it.
func (s *Server) checkContext(action string, got map[string]string, opening bool) *apiError {
	if maps.Equal(got, mediaConvert) {
		return nil
	}
	s.violate("%s with the encryption context %v", action, got)
	if opening {
		return nil
	}
	return refuse("AccessDeniedException", "the key policy allows only the encryption context of MediaConvert")
}

// decode refuses unknown fields and anything after the object.
func (s *Server) decode(action string, body []byte, into any) *apiError {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && d.InputOffset() != int64(len(body)) {
		err = errors.New("more than one object")
	}
	if err == nil {
		return nil
	}
	s.violate("%s: body: %v", action, err)
	return refuse("SerializationException", err.Error())
}

func answerError(w http.ResponseWriter, e *apiError) {
	body := map[string]string{"__type": e.code}
	if e.message != "" {
		body["message"] = e.message
	}
	answer(w, e.status(), body)
}

func answer(w http.ResponseWriter, status int, out any) {
	body, err := json.Marshal(out)
	if err != nil {
		panic(err) // outputs are plain structs
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-RequestId", rand.Text())
	w.WriteHeader(status)
	w.Write(body) // a client that went away is its own affair
}
