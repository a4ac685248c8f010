package delay

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
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
	p, err := Start(server.URL, late)
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
