package s3_test

import (
	"bytes"
	"errors"
	"fmt"
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

// TestShortWay: from the second request on HEAD, GET and PUT go without the SDK, and
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

// TestShortWayPuts: what is stored by it is what the SDK stores.
func TestShortWayPuts(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	ctx := t.Context()
	attr := store.Attributes{ContentType: "video/quicktime", Metadata: map[string]string{"mcfs-v": "1", "mcfs-mode": "a b c/="}}
	for _, size := range []int{0, 1, 65536, 1 << 20} {
		content := storetest.Random(size, 1)
		var found [2]store.Info
		for k, key := range []string{"by the SDK é+%", "by the short way é+%"} {
			key = fmt.Sprint(key, size)
			s := open(t, server, nil)
			if k == 1 {
				put(t, s, "first", nil) // shows the way
			}
			server.Proxy.Reset()
			made, err := s.Put(ctx, key, storetest.BodyOf(content), attr, store.Condition{IfNone: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range server.Proxy.Requests() {
				if viaSDK(r) == (k == 1) {
					t.Errorf("%s: by the SDK %v", key, viaSDK(r))
				}
			}
			if age := time.Since(made.Modified); age < -time.Minute || age > time.Minute {
				t.Errorf("%s: modified %s", key, made.Modified)
			}
			if found[k], err = s.Head(ctx, key); err != nil || found[k].ETag != made.ETag {
				t.Errorf("%s: made %+v, found %+v, %v", key, made, found[k], err)
			}
			if got := load(t, s, key); !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes, not %d", key, len(got), size)
			}
			if _, err := s.Put(ctx, key, storetest.BodyOf(content), attr, store.Condition{IfNone: true}); !errors.Is(err, store.ErrPrecondition) {
				t.Errorf("%s once more: %v", key, err)
			}
			if _, err := s.Put(ctx, key, storetest.BodyOf(content), attr, store.Condition{IfMatch: `"other"`}); !errors.Is(err, store.ErrPrecondition) {
				t.Errorf("%s over another: %v", key, err)
			}
			if _, err := s.Put(ctx, key, storetest.BodyOf(content), attr, store.Condition{IfMatch: made.ETag}); err != nil {
				t.Errorf("%s over itself: %v", key, err)
			}
			found[k].Key, found[k].Modified, found[k].Answered = "", time.Time{}, time.Time{}
		}
		if !reflect.DeepEqual(found[0], found[1]) {
			t.Errorf("%d bytes: the SDK stores\n%+v, the short way\n%+v", size, found[0], found[1])
		}
	}
}

// TestShortWayPutFails: what goes wrong is done again by the SDK, with the whole body.
func TestShortWayPutFails(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	s := open(t, server, nil)
	put(t, s, "first", nil)
	content := storetest.Random(300_000, 2)
	for name, c := range map[string]struct {
		fault s3test.Fault
		times int
		want  error
	}{
		"cut once":       {s3test.Fault{Cut: true}, 1, nil},
		"throttled once": {s3test.Fault{Status: http.StatusServiceUnavailable, Code: "SlowDown"}, 1, nil},
		"forbidden":      {s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}, -1, store.ErrDenied},
		"gone":           {s3test.Fault{Status: http.StatusNotFound, Code: "NoSuchBucket"}, -1, store.ErrNoBucket},
	} {
		server.Proxy.Reset()
		server.Proxy.Fail("PutObject", c.times, c.fault)
		_, err := s.Put(t.Context(), name, storetest.BodyOf(content), store.Attributes{}, store.Condition{})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		server.Proxy.Reset()
		if err == nil && !bytes.Equal(load(t, s, name), content) {
			t.Errorf("%s: other content was stored", name)
		}
	}
}

func load(t *testing.T, s store.Store, key string) []byte {
	t.Helper()
	body, _, err := s.Get(t.Context(), key, store.Range{}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	p, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
