package s3_test

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"testing"
	"time"

	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
	"mcfs/store/storetest"
)

// viaSDK says that the SDK made a request, and not the short way.
func viaSDK(r s3test.Request) bool { return r.Header.Get("Amz-Sdk-Invocation-Id") != "" }

// TestShortWay: from the second request on HEAD and GET go without the SDK, and
// say the same.
func TestShortWay(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	s := open(t, server, func(o *s3.Options) { o.RequestPayer = "requester" })
	ctx := t.Context()
	key := "dir é/a+b%20c & ~.mov"
	attr := store.Attributes{ContentType: "video/quicktime", Metadata: map[string]string{"mcfs-v": "1", "mcfs-mode": "ctr"}}
	if _, err := s.Put(ctx, key, storetest.BodyOf([]byte("0123456789")), attr, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	type answer struct {
		Head, Get store.Info
		Text      string
	}
	ask := func() answer {
		t.Helper()
		head, err := s.Head(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		body, get, err := s.Get(ctx, key, store.Range{Offset: 3, Length: 4}, head.ETag)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(head.Answered); age < -time.Minute || age > time.Minute {
			t.Errorf("answered %s", head.Answered)
		}
		head.Answered = time.Time{}
		return answer{head, get, string(text)}
	}
	fresh := open(t, server, nil)
	if _, _, err := fresh.Get(ctx, key, store.Range{}, ""); err != nil { // a GET shows the way as well
		t.Fatal(err)
	}
	sdk := answer{}
	server.Proxy.Reset()
	sdk.Head, _ = open(t, server, nil).Head(ctx, key)
	body, get, err := open(t, server, nil).Get(ctx, key, store.Range{Offset: 3, Length: 4}, "")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(body)
	body.Close()
	sdk.Get, sdk.Text, sdk.Head.Answered = get, string(text), time.Time{}
	for _, r := range server.Proxy.Requests() {
		if !viaSDK(r) {
			t.Errorf("the first %s of a store went another way", r.Op)
		}
	}
	ask()
	server.Proxy.Reset()
	if got := ask(); !reflect.DeepEqual(got, sdk) {
		t.Errorf("the short way answers\n%+v, the SDK\n%+v", got, sdk)
	}
	for _, r := range server.Proxy.Requests() {
		if viaSDK(r) || r.Header.Get("X-Amz-Request-Payer") != "requester" {
			t.Errorf("%s: by the SDK %v, header %v", r.Op, viaSDK(r), r.Header)
		}
	}
}

// TestShortWayFails: what goes wrong there is asked for again by the SDK, which
// says what it was; that there is no such object is an answer.
func TestShortWayFails(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	s := open(t, server, nil)
	ctx := t.Context()
	info := put(t, s, "k", []byte("x"))
	if _, err := s.Head(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	head := func(key string) error {
		_, err := s.Head(ctx, key)
		return err
	}
	get := func(etag string) error {
		body, _, err := s.Get(ctx, "k", store.Range{}, etag)
		if err == nil {
			body.Close()
		}
		return err
	}
	for name, c := range map[string]struct {
		fault    s3test.Fault
		times    int
		do       func() error
		want     error
		requests int
	}{
		"absent":         {do: func() error { return head("none") }, want: store.ErrNotExist, requests: 1},
		"another etag":   {do: func() error { return get(`"other"`) }, want: store.ErrPrecondition, requests: 1},
		"cut once":       {s3test.Fault{Cut: true}, 1, func() error { return get(info.ETag) }, nil, 2},
		"throttled once": {s3test.Fault{Status: http.StatusServiceUnavailable, Code: "SlowDown"}, 1, func() error { return head("k") }, nil, 2},
		"forbidden":      {s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}, -1, func() error { return get("") }, store.ErrDenied, 2},
	} {
		t.Run(name, func(t *testing.T) {
			server.Proxy.Reset()
			_ = head("none") // a GET has vouched for the bucket then, for a while
			server.Proxy.Reset()
			if c.times != 0 {
				server.Proxy.Fail("", c.times, c.fault)
			}
			if err := c.do(); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			// net/http itself sends a GET anew on a kept connection that was closed.
			if got := server.Proxy.Count(""); got != c.requests && !(c.fault.Cut && got >= c.requests) {
				t.Errorf("%d requests, want %d", got, c.requests)
			}
		})
	}
}
