package kmstest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Call is one request that was authentic and named a known action, with its
// outcome. Of a call that failed on demand only At, Action and Code are known.
type Call struct {
	At      time.Time
	Action  string            // "GenerateDataKey", …
	KeyID   string            // as the request named it (of ReEncrypt: the destination), may be empty
	Source  string            // the SourceKeyId of ReEncrypt
	Context map[string]string // of ReEncrypt: the destination's
	ARN     string            // of the key that was used, empty if none
	// Plaintext is the key that the caller got or gave; a test greps for it
	// where it must not be. With ReEncrypt nobody saw it but the service.
	Plaintext []byte
	// Wrapped is the blob that the call made, or was given to open.
	Wrapped []byte
	// Code is the error's, empty after a success.
	Code string
}

type fault struct {
	code string
	left int
}

// Faults of the network that FailNext knows besides error codes.
const (
	// DropConnection cuts the connection without an answer.
	DropConnection = "drop connection"
	// Stall keeps silent until the client or the server ends.
	Stall = "stall"
)

// FailNext lets the next n authentic calls fail with a KMS error code, such as
// "AccessDeniedException", DropConnection or Stall. Faults queue up; n = 0 clears them.
func (s *Server) FailNext(n int, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n <= 0 {
		s.faults = nil
		return
	}
	s.faults = append(s.faults, fault{code, n})
}

// Unbind has the server wrap and open without any encryption context, as a careless one might.
func (s *Server) Unbind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unbound = true
}

// SetLatency delays every answer by d.
func (s *Server) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = d
}

// Throttle refuses what exceeds that many calls per second with
// ThrottlingException; 0 lifts the limit.
func (s *Server) Throttle(perSecond int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.throttle, s.inWindow, s.window = perSecond, 0, time.Now()
}

// nextFault is the fault due now, empty if none.
func (s *Server) nextFault() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) > 0 {
		f := &s.faults[0]
		code := f.code
		if f.left--; f.left == 0 {
			s.faults = s.faults[1:]
		}
		return code
	}
	if s.throttle == 0 {
		return ""
	}
	if now := time.Now(); now.Sub(s.window) >= time.Second {
		s.window, s.inWindow = now, 0
	}
	if s.inWindow++; s.inWindow > s.throttle {
		return "ThrottlingException"
	}
	return ""
}

// Calls are all calls so far, in the order of their answers.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Count is the number of calls of an action, failed ones included; of all if it is empty.
func (s *Server) Count(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if action == "" || c.Action == action {
			n++
		}
	}
	return n
}

// making are the actions that make a blob, and whether of a key that the caller sees or gives.
var making = map[string]bool{
	"GenerateDataKey":                 true,
	"GenerateDataKeyWithoutPlaintext": true,
	"Encrypt":                         true,
	"ReEncrypt":                       false,
}

// DataKeys are the plaintext keys that successful calls made or wrapped, in
// order: those that a test searches disks and networks for.
func (s *Server) DataKeys() [][]byte {
	var all [][]byte
	for _, c := range s.Calls() {
		if making[c.Action] && c.Code == "" {
			all = append(all, c.Plaintext)
		}
	}
	return all
}

// WrappedKeys are the blobs that successful calls made, in order.
func (s *Server) WrappedKeys() [][]byte {
	var all [][]byte
	for _, c := range s.Calls() {
		if _, makes := making[c.Action]; makes && c.Code == "" {
			all = append(all, c.Wrapped)
		}
	}
	return all
}

// Repeated says which data key or blob was made more than once, nil if none was.
func (s *Server) Repeated() error {
	for what, all := range map[string][][]byte{"data key": s.DataKeys(), "wrapped key": s.WrappedKeys()} {
		seen := map[string]int{}
		for i, b := range all {
			if j, ok := seen[string(b)]; ok {
				return fmt.Errorf("%s %d repeats %s %d", what, i, what, j)
			}
			seen[string(b)] = i
		}
	}
	return nil
}

// TakeViolations returns what clients did wrong since the last time, and
// forgets it, so that it no longer fails the test.
func (s *Server) TakeViolations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.violations
	s.violations = nil
	return v
}

func (s *Server) violate(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violations = append(s.violations, fmt.Sprintf(format, args...))
}

func (s *Server) record(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Plaintext, c.Wrapped, c.Context = bytes.Clone(c.Plaintext), bytes.Clone(c.Wrapped), maps.Clone(c.Context)
	s.calls = append(s.calls, c)
}
