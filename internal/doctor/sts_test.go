package doctor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// identities is an STS and IAM for tests: what it answers to an action, in the Query protocol.
type identities struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]func(*http.Request) (status int, body string)
	asked   []string
}

const whoXML = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::111122223333:user/ingest</Arn><UserId>AIDAEXAMPLE</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`

func startIdentities(t *testing.T) *identities {
	t.Helper()
	s := &identities{answers: make(map[string]func(*http.Request) (int, string))}
	s.set("GetCallerIdentity", 200, whoXML)
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// set gives an action one answer.
func (s *identities) set(action string, status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[action] = func(*http.Request) (int, string) { return status, body }
}

func refusal(code string) string {
	return fmt.Sprintf(`<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>as the test wants</Message></Error></ErrorResponse>`, code)
}

func (s *identities) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !strings.Contains(r.Header.Get("Authorization"), "aws4_request") {
		http.Error(w, refusal("MissingAuthenticationToken"), http.StatusForbidden)
		return
	}
	action := r.PostForm.Get("Action")
	s.mu.Lock()
	s.asked = append(s.asked, action)
	answer := s.answers[action]
	s.mu.Unlock()
	status, body := http.StatusBadRequest, refusal("InvalidAction")
	if answer != nil {
		status, body = answer(r)
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}
