package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
	"mcfs/store/storetest"
)

func text(kind string) http.Header { return http.Header{"Content-Type": {"text/" + kind}} }

// withoutPartCopy is what servers answer that have no UploadPartCopy.
var withoutPartCopy = map[string]s3test.Fault{
	"501":                    {Status: 501, Code: "NotImplemented"},
	"501 without a word":     {Status: 501, Page: "no", Header: text("plain")},
	"411":                    {Status: 411, Code: "MissingContentLength"},
	"411 without a word":     {Status: 411, Page: "Length Required", Header: text("plain")},
	"405":                    {Status: 405, Code: "MethodNotAllowed"},
	"200, for an empty part": {Status: 200, Page: " ", Header: text("xml")},
}

// TestCopyWithoutPartCopy: where the server has no UploadPartCopy, copies hold all that
// the contract says of them, whether or not CopyObject heeds conditions there.
func TestCopyWithoutPartCopy(t *testing.T) {
	for name, fault := range withoutPartCopy {
		for kind, condition := range map[string]func(*s3test.Server) func(s3test.Request) s3test.Fault{
			"ignores": func(*s3test.Server) func(s3test.Request) s3test.Fault { return nil }, "heeds": heeding, "refuses": refusing,
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				server := s3test.Start(t, s3test.WithProxy())
				hook := condition(server)
				var n atomic.Int32
				storetest.RunCopies(t, func(t *testing.T) store.Store {
					s := open(t, server, func(o *s3.Options) {
						o.Prefix, o.Log = fmt.Sprintf("test %d/", n.Add(1)), slog.New(slog.DiscardHandler)
					})
					server.Proxy.Reset()
					server.Proxy.Fail("UploadPartCopy", -1, fault)
					server.Proxy.Hook(hook)
					acquaint(t, server, s)
					return s
				})
			})
		}
	}
}

// acquaint has a store make its first copy, of which the upload that comes to nothing is
// part, and checks that the next one begins none.
func acquaint(t *testing.T, server *s3test.Server, s store.Store) {
	t.Helper()
	source := put(t, s, "first", []byte("x"))
	c := store.Copy{Source: "first", SourceIfMatch: source.ETag, Target: "second", Size: 1, Condition: store.Condition{IfNone: true}}
	made, err := s.Copy(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := s.Head(t.Context(), "second"); err != nil || info.ETag != made.ETag {
		t.Errorf("%+v, %v; the copy was %+v", info, err, made)
	}
	begun := server.Proxy.Count("CreateMultipartUpload")
	c.Condition = store.Condition{IfMatch: made.ETag}
	if _, err := s.Copy(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if n := server.Proxy.Count("CreateMultipartUpload"); begun != 1 || n != begun {
		t.Errorf("%d uploads were begun for the first copy, %d in all", begun, n)
	}
	if up, err := s.Uploads(t.Context(), ""); err != nil || len(up) > 0 {
		t.Errorf("left: %v, %v", up, err)
	}
	for _, key := range []string{"first", "second"} {
		if err := s.Delete(t.Context(), key, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
}

// heeding answers as a server whose CopyObject heeds conditions on its target.
func heeding(server *s3test.Server) func(s3test.Request) s3test.Fault {
	o := server.Options("")
	o.Endpoint = server.Direct
	direct, err := s3.New(o)
	return func(r s3test.Request) s3test.Fault {
		if r.Op != "CopyObject" {
			return s3test.Fault{}
		}
		if err != nil {
			return s3test.Fault{Status: 500, Code: err.Error()}
		}
		target, _ := direct.Head(context.Background(), strings.TrimPrefix(r.Path, "/"+server.Bucket+"/"))
		etag := target.ETag
		none, match := r.Header.Get("If-None-Match"), r.Header.Get("If-Match")
		if none == "*" && etag != "" || match != "" && match != etag {
			return s3test.Fault{Status: 412, Code: "PreconditionFailed"}
		}
		return s3test.Fault{}
	}
}

// refusing answers as a server that does not know such conditions, and says so.
func refusing(*s3test.Server) func(s3test.Request) s3test.Fault {
	return func(r s3test.Request) s3test.Fault {
		if r.Op == "CopyObject" && r.Header.Get("If-None-Match")+r.Header.Get("If-Match") != "" {
			return s3test.Fault{Status: 501, Code: "NotImplemented"}
		}
		return s3test.Fault{}
	}
}

// TestHeededConditions: where CopyObject heeds the condition, no look stands in for it:
// what is put under the name in the last moment stays.
func TestHeededConditions(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	var said bytes.Buffer
	s := open(t, server, func(o *s3.Options) { o.Log = slog.New(slog.NewTextHandler(&said, nil)) })
	server.Proxy.Fail("UploadPartCopy", -1, withoutPartCopy["501"])
	heed := heeding(server)
	server.Proxy.Hook(heed)
	acquaint(t, server, s)
	if strings.Contains(said.String(), "is replaced") || !strings.Contains(said.String(), "no UploadPartCopy") {
		t.Errorf("the log says %q", said.String())
	}
	source, other := put(t, s, "source", []byte("x")), open(t, server, func(o *s3.Options) { o.Endpoint = server.Direct })
	server.Proxy.Hook(func(r s3test.Request) s3test.Fault {
		if r.Op == "CopyObject" {
			if _, err := other.Put(context.Background(), "target", storetest.BodyOf([]byte("another machine's")), store.Attributes{}, store.Condition{}); err != nil {
				t.Error(err)
			}
		}
		return heed(r)
	})
	_, err := s.Copy(t.Context(), store.Copy{
		Source: "source", SourceIfMatch: source.ETag, Target: "target", Size: 1, Condition: store.Condition{IfNone: true},
	})
	if !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("%v", err)
	}
	if got := read(t, s, "target"); string(got) != "another machine's" {
		t.Errorf("%q stands there", got)
	}
}

// TestConditionIsTriedOnce: what a server makes of a condition is found out with the first copy
// under it; the next ones ask for no more than they need.
func TestConditionIsTriedOnce(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	for kind, c := range map[string]struct {
		hook  func(s3test.Request) s3test.Fault
		looks int
	}{"heeds": {heeding(server), 0}, "ignores": {nil, 1}, "refuses": {refusing(server), 1}} {
		t.Run(kind, func(t *testing.T) {
			s := open(t, server, func(o *s3.Options) { o.Prefix, o.Log = kind+"/", slog.New(slog.DiscardHandler) })
			server.Proxy.Reset()
			server.Proxy.Fail("UploadPartCopy", -1, withoutPartCopy["501"])
			server.Proxy.Hook(c.hook)
			acquaint(t, server, s)
			source, condition := put(t, s, "source", []byte("x")), store.Condition{IfNone: true}
			for range 2 {
				looks, copies := server.Proxy.Count("HeadObject"), server.Proxy.Count("CopyObject")
				made, err := s.Copy(t.Context(), store.Copy{Source: "source", SourceIfMatch: source.ETag, Target: "target", Size: 1, Condition: condition})
				if err != nil {
					t.Fatal(err)
				}
				looks, copies = server.Proxy.Count("HeadObject")-looks, server.Proxy.Count("CopyObject")-copies
				if looks != c.looks || copies != 1 {
					t.Errorf("under %+v: %d looks and %d copies, want %d and 1", condition, looks, copies, c.looks)
				}
				condition = store.Condition{IfMatch: made.ETag}
			}
		})
	}
}

// TestUnheededGet: of a server that gives another version than it was asked for, nothing is taken.
func TestUnheededGet(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"newer"`)
		w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
		_, _ = io.WriteString(w, "text")
	}))
	t.Cleanup(server.Close)
	s, err := s3.New(s3.Options{
		AWS:    aws.Config{Credentials: credentials.NewStaticCredentialsProvider("a", "s", "")},
		Bucket: "b", Endpoint: server.URL, PathStyle: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for etag, want := range map[string]error{`"older"`: store.ErrPrecondition, `"newer"`: nil, "": nil} {
		body, _, err := s.Get(t.Context(), "k", store.Range{}, etag)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", etag, err)
		}
		if err == nil {
			_ = body.Close()
		}
	}
}
