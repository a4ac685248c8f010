package mediaconverttest

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"strings"

	"mcfs/mediaconvert/wire"
)

const (
	version = "/2017-08-29/"
	maxBody = 4 << 20
)

// apiError is what a refused request gets, in the service's form.
type apiError struct{ code, message string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

func refuse(code, message string) *apiError { return &apiError{code, message} }

// statuses are the HTTP statuses of the errors of the API's model.
var statuses = map[string]int{
	"BadRequestException":           http.StatusBadRequest,
	"ForbiddenException":            http.StatusForbidden,
	"AccessDeniedException":         http.StatusForbidden,
	"NotFoundException":             http.StatusNotFound,
	"ConflictException":             http.StatusConflict,
	"TooManyRequestsException":      http.StatusTooManyRequests,
	"InternalServerErrorException":  http.StatusInternalServerError,
	"ServiceQuotaExceededException": http.StatusPaymentRequired,
}

// request is one that is authentic.
type request struct {
	action string
	name   string // what the path ends with
	query  url.Values
	body   []byte
}

// actions are the ones known, each with the status of its success.
var actions = map[string]struct {
	do     func(*Server, request) (any, string, *apiError)
	status int
}{}

func init() {
	add := func(action string, do func(*Server, request) (any, string, *apiError), status int) {
		a := actions[action]
		a.do, a.status = do, status
		actions[action] = a
	}
	add("CreateJob", (*Server).createJob, http.StatusCreated)
	add("GetJob", (*Server).getJob, http.StatusOK)
	add("ListJobs", (*Server).listJobs, http.StatusOK)
	add("SearchJobs", (*Server).searchJobs, http.StatusOK)
	add("CancelJob", (*Server).cancelJob, http.StatusAccepted)
	add("GetQueue", (*Server).getQueue, http.StatusOK)
	add("GetJobTemplate", (*Server).getJobTemplate, http.StatusOK)
}

// route is the action of a request, and the name at the end of its path.
func route(r *http.Request) (action, name string) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), version)
	if !ok {
		return "", ""
	}
	kind, escaped, named := strings.Cut(rest, "/")
	name, err := url.PathUnescape(escaped)
	if err != nil || named && name == "" {
		return "", ""
	}
	switch {
	case r.Method == http.MethodPost && rest == "jobs":
		return "CreateJob", ""
	case r.Method == http.MethodGet && rest == "jobs":
		return "ListJobs", ""
	case r.Method == http.MethodGet && rest == "search":
		return "SearchJobs", ""
	case r.Method == http.MethodGet && kind == "jobs":
		return "GetJob", name
	case r.Method == http.MethodDelete && kind == "jobs":
		return "CancelJob", name
	case r.Method == http.MethodGet && kind == "queues":
		return "GetQueue", name
	case r.Method == http.MethodGet && kind == "jobTemplates":
		return "GetJobTemplate", name
	}
	return "", ""
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return // the client went away
	}
	action, name := route(r)
	bad := s.authenticate(r, body)
	if bad == nil && action == "" {
		bad = refuse("NotFoundException", "no action is "+r.Method+" "+r.URL.Path)
	}
	if bad != nil {
		s.violate("%s %s: %v", r.Method, r.URL.Path, bad)
		answerError(w, bad)
		return
	}
	fault := s.nextFault(action)
	if fault == DropConnection {
		s.record(Call{action, name, fault})
		panic(http.ErrAbortHandler) // closes the connection, logs nothing
	}
	var out any
	if fault != "" && fault != LoseAnswer {
		bad = refuse(fault, "on demand of the test")
	} else {
		out, name, bad = actions[action].do(s, request{action, name, r.URL.Query(), body})
	}
	call := Call{Action: action, ID: name}
	if bad != nil {
		call.Code = bad.code
	} else if fault == LoseAnswer {
		call.Code = fault
	}
	s.record(call)
	if fault == LoseAnswer {
		panic(http.ErrAbortHandler)
	}
	if bad != nil {
		answerError(w, bad)
		return
	}
	answer(w, actions[action].status, out)
}

func answerError(w http.ResponseWriter, e *apiError) {
	status, ok := statuses[e.code]
	if !ok {
		status = http.StatusBadRequest
	}
	w.Header().Set("X-Amzn-ErrorType", e.code)
	answer(w, status, struct{ Message *string }{&e.message})
}

func answer(w http.ResponseWriter, status int, out any) {
	body, err := wire.Encode(out, wire.Camel)
	if err != nil {
		panic(err) // outputs are the SDK's
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-RequestId", rand.Text())
	w.WriteHeader(status)
	w.Write(body) // a client that went away is its own affair
}
