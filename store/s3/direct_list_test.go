package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
)

// TestShortWayLists: what is listed without the SDK is what the SDK lists, page by page.
func TestShortWayLists(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	short := open(t, server, func(o *s3.Options) { o.RequestPayer = "requester" })
	for _, key := range []string{"dir =/a+b%20c & ~.mov", "dir =/a b", "dir =/sub/1", "dir =/sub/2", "dir =/z'\"", "other"} {
		put(t, short, key, []byte(key)) // shows the way, too
	}
	for _, c := range []struct {
		prefix, delimiter string
		most              int
	}{
		{"", "", 0}, {"", "/", 0}, {"dir =/", "/", 0}, {"dir =/", "/", 1}, {"dir =/a+b%20c & ~", "/", 0}, {"dir =/", "", 2}, {"none", "/", 0},
		{"dir é\u2028/", "/", 0}, // last: this server writes such names as they are, which is for the SDK
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			token, pages := "", 0
			for ; pages == 0 || token != ""; pages++ {
				server.Proxy.Reset()
				want, err := open(t, server, nil).List(t.Context(), c.prefix, c.delimiter, token, c.most)
				if err != nil {
					t.Fatal(err)
				}
				got, err := short.List(t.Context(), c.prefix, c.delimiter, token, c.most)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("the short way lists %+v, %v; the SDK %+v", got, err, want)
				}
				if asked := server.Proxy.Requests(); !strings.Contains(c.prefix, "é") && (len(asked) != 2 || !viaSDK(asked[0]) || viaSDK(asked[1]) || asked[1].Header.Get("X-Amz-Request-Payer") != "requester") {
					t.Errorf("%d requests, or not as they ought to be", len(asked))
				}
				token = want.Next
			}
			if c.most > 0 && pages < 2 {
				t.Errorf("%d pages", pages)
			}
		})
	}
}

// TestShortWayListFails: what goes wrong is asked for again by the SDK, which says what it was.
func TestShortWayListFails(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	s := open(t, server, nil)
	put(t, s, "k", nil)
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
		server.Proxy.Fail("", c.times, c.fault)
		page, err := s.List(t.Context(), "", "", "", 0)
		if !errors.Is(err, c.want) || err == nil && len(page.Objects) != 1 {
			t.Errorf("%s: %+v, %v; want %v", name, page, err, c.want)
		}
	}
}
