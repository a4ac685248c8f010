package delay

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestProxy(t *testing.T) {
	const late = 30 * time.Millisecond
	var host string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host = r.Host
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, r.URL.RequestURI()+string(text))
	}))
	t.Cleanup(server.Close)
	p, err := Start(server.URL, Options{Delay: late})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	begun := time.Now()
	resp, err := http.Post(p.URL+"/a%2Fb?x=%2f;y", "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if want := "/a%2Fb?x=%2f;ybody"; string(text) != want || err != nil {
		t.Errorf("%q, %v; want %q", text, err, want)
	}
	if took := time.Since(begun); took < late {
		t.Errorf("took %v", took)
	}
	if "http://"+host != p.URL {
		t.Errorf("the server saw the host %s: signatures break", host)
	}
	if got, want := p.Counts(), (Counts{Requests: 1, Received: int64(len(text)), Sent: 4}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

// TestLink: the answers of two requests at once take no less time than the link needs for both.
func TestLink(t *testing.T) {
	const size, perSecond = 256 << 10, 1 << 20
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, size))
	}))
	t.Cleanup(server.Close)
	p, err := Start(server.URL, Options{Rate: perSecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	begun := time.Now()
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			resp, err := http.Get(p.URL)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
	both.Wait()
	if took, least := time.Since(begun), time.Duration(2*size-piece)*time.Second/perSecond; took < least {
		t.Errorf("%d bytes passed in %v, of which the link needs %v", 2*size, took, least)
	}
}
