package faults

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"mcfs/store/s3/s3test"
)

// fault is one thing that goes wrong.
type fault struct {
	name    string
	always  bool         // with every request, not the first alone
	at      s3test.Fault // with requests of the operation that it strikes
	place   place        // in place of the server, if it is not there at all
	expired bool         // the credentials have expired, and are renewed afterwards
	silent  bool         // nothing but a deadline ends it
	core    bool         // it stands for others of its kind where time is short
}

// place is where a client looks for a server in vain.
type place uint8

const (
	here        place = iota
	unknownName       // its name does not exist
	silentName        // the name server does not answer
	closedPort        // nobody listens
	mute              // it accepts, and never reads or writes
)

// endpoint is the URL of a place.
func (p place) endpoint(t *testing.T, scheme string) string {
	switch p {
	case unknownName:
		return scheme + "://" + unknownHost
	case silentName:
		return scheme + "://" + silentHost
	case closedPort:
		return "http://" + refusing(t)
	}
	return "http://" + listen(t).Addr().String() // the kernel accepts for it
}

// refusing is an address that is taken, so that no server of another test comes
// to listen there, and at which nobody listens.
func refusing(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

func listen(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// page is what a captive portal, or a proxy on the way, says to everything.
const page = "<html><head><title>Sign in</title></head><body><h1>Welcome to the guest network</h1></body></html>"

// network are the faults that know nothing of what a server does.
var network = []fault{
	{name: "latency", always: true, at: s3test.Fault{Delay: 150 * time.Millisecond}},
	{name: "reset in the request's header", at: s3test.Fault{Break: s3test.RequestHeader}},
	{name: "reset in every request's header", always: true, at: s3test.Fault{Break: s3test.RequestHeader}},
	{name: "reset in the request's body", at: s3test.Fault{Break: s3test.RequestBody}},
	{name: "reset in every request's body", always: true, at: s3test.Fault{Break: s3test.RequestBody}},
	{name: "reset in the answer's header", core: true, at: s3test.Fault{Break: s3test.ResponseHeader}},
	{name: "reset in every answer's header", always: true, at: s3test.Fault{Break: s3test.ResponseHeader}},
	{name: "reset in the answer's body", at: s3test.Fault{Break: s3test.ResponseBody}},
	{name: "reset in every answer's body", always: true, at: s3test.Fault{Break: s3test.ResponseBody}},
	{name: "request's body garbled", core: true, at: s3test.Fault{Garble: s3test.RequestBody}},
	{name: "answer garbled", core: true, at: s3test.Fault{Garble: s3test.ResponseBody}},
	{name: "answer cut short", at: s3test.Fault{Shorten: true}},
	{name: "web page instead of an answer", at: s3test.Fault{Status: 200, Page: page}},
	{name: "404 of a proxy", at: s3test.Fault{Status: 404, Page: page}},
	{name: "silence before the request", silent: true, at: s3test.Fault{Break: s3test.RequestHeader, Silent: true}},
	{name: "silence in the request's body", silent: true, at: s3test.Fault{Break: s3test.RequestBody, Silent: true}},
	{name: "silence instead of an answer", core: true, silent: true, at: s3test.Fault{Break: s3test.ResponseHeader, Silent: true}},
	{name: "silence after the answer's header", silent: true, at: s3test.Fault{Break: s3test.ResponseBody, Silent: true}},
	{name: "name unknown", place: unknownName},
	{name: "name server silent", place: silentName, silent: true},
	{name: "connection refused", place: closedPort},
	{name: "server mute", place: mute, silent: true},
}

// ofS3 are what S3 says.
var ofS3 = []fault{
	{name: "500", core: true, at: s3test.Fault{Status: 500, Code: "InternalError"}},
	{name: "500 always", always: true, at: s3test.Fault{Status: 500, Code: "InternalError"}},
	{name: "200 with an error in it", at: s3test.Fault{Status: 200, Code: "InternalError"}},
	{name: "503 SlowDown", at: s3test.Fault{Status: 503, Code: "SlowDown"}},
	{name: "503 SlowDown always", always: true, at: s3test.Fault{Status: 503, Code: "SlowDown"}},
	{name: "429", at: s3test.Fault{Status: 429, Code: "TooManyRequests"}},
	{name: "429 always", always: true, at: s3test.Fault{Status: 429, Code: "TooManyRequests"}},
	{name: "403", core: true, at: s3test.Fault{Status: 403, Code: "AccessDenied"}},
	{name: "credentials expired", expired: true, at: s3test.Fault{Status: 400, Code: "ExpiredToken"}},
	{name: "404 of the bucket", core: true, at: s3test.Fault{Status: 404, Code: "NoSuchBucket"}},
	{name: "409", at: s3test.Fault{Status: 409, Code: "ConditionalRequestConflict"}},
	{name: "412", at: s3test.Fault{Status: 412, Code: "PreconditionFailed"}},
}

// ofKMS are what KMS says, and what becomes of its keys.
var ofKMS = []fault{
	{name: "internal error", at: s3test.Fault{Status: 500, Code: "KMSInternalException"}},
	{name: "internal error always", always: true, at: s3test.Fault{Status: 500, Code: "KMSInternalException"}},
	{name: "503 without a word", at: s3test.Fault{Status: 503}},
	{name: "429 without a word", at: s3test.Fault{Status: 429}},
	{name: "throttled", core: true, at: s3test.Fault{Status: 400, Code: "ThrottlingException"}},
	{name: "throttled always", always: true, at: s3test.Fault{Status: 400, Code: "ThrottlingException"}},
	{name: "access denied", core: true, at: s3test.Fault{Status: 400, Code: "AccessDeniedException"}},
	{name: "403 without a word", at: s3test.Fault{Status: 403}},
	{name: "credentials expired", expired: true, at: s3test.Fault{Status: 400, Code: "ExpiredTokenException"}},
	{name: "key disabled", core: true, at: s3test.Fault{Status: 400, Code: "DisabledException"}},
	{name: "key pending deletion", at: s3test.Fault{Status: 400, Code: "KMSInvalidStateException"}},
	{name: "key not found", at: s3test.Fault{Status: 400, Code: "NotFoundException"}},
	{name: "slower than its deadline", silent: true, always: true, at: s3test.Fault{Delay: time.Hour}},
}

// s3Faults and kmsFaults are the rows of the tables.
var (
	s3Faults  = append(append([]fault(nil), network...), ofS3...)
	kmsFaults = append(append([]fault(nil), network...), ofKMS...)
)

// strike makes the fault happen to requests of the operation ("" is any).
func (f fault) strike(p *s3test.Proxy, op string, s *session) {
	switch {
	case f.place != here:
	case f.expired:
		p.Hook(func(r s3test.Request) s3test.Fault {
			if r.Op != op || s.taken.Load() {
				return s3test.Fault{}
			}
			return f.at
		})
	case f.always:
		p.Fail(op, -1, f.at)
	default:
		p.Fail(op, 1, f.at)
	}
}
