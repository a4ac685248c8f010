package mediaconverttest

import "slices"

// Script changes how the next job goes that is made.
type Script struct {
	Hold        bool     // it waits in the queue until Release
	Code        int32    // with which it ends in ERROR while it transcodes; 0: it does not
	Message     string   // of that error
	Cancel      bool     // somebody cancels it while it transcodes
	HidePercent bool     // JobPercentComplete is absent
	Warnings    []string // that come with its messages
}

// ScriptNext lets the next job that is made go so. Scripts queue up.
func (s *Server) ScriptNext(next Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts = append(s.scripts, next)
}

// Faults of the network that FailNext knows besides error codes.
const (
	DropConnection = "drop connection" // before the request is carried out
	LoseAnswer     = "lose answer"     // after it was
)

type fault struct {
	action, code string
	left         int
}

// FailNext lets the next n calls of an action fail, of any if it is empty: with an error code of
// the service, such as TooManyRequestsException, with DropConnection, or LoseAnswer.
func (s *Server) FailNext(n int, action, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fault{action, code, n})
}

// nextFault is the fault due now, empty if none.
func (s *Server) nextFault(action string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.faults {
		f := &s.faults[i]
		if f.action != "" && f.action != action {
			continue
		}
		code := f.code
		if f.left--; f.left == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return code
	}
	return ""
}

// Release lets a job go on that was held.
func (s *Server) Release(id string) {
	if j := s.find(id); j != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.script.Hold = false
	}
}
