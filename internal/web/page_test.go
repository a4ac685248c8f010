package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"mcfs/internal/feed"
	"mcfs/internal/status"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/volume"
)

// fake is a source that tells what a test wants.
type fake struct {
	mu      sync.Mutex
	reports []status.Report
	looks   atomic.Int64
	asked   []string // for whose settings
	events  []feed.Line
}

func (f *fake) set(reports ...status.Report) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reports = reports
}

func (f *fake) source() Source {
	return Source{
		Reports: func(context.Context) ([]status.Report, error) {
			f.looks.Add(1)
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.reports, nil
		},
		Follow: func(ctx context.Context, _ string, tell func(feed.Line)) error {
			for _, l := range f.events {
				tell(l)
			}
			<-ctx.Done()
			return ctx.Err()
		},
		Settings: func(_ context.Context, mountpoint, path string) (sidecar.Settings, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.asked = append(f.asked, mountpoint+" "+path)
			if path == "gone" {
				return sidecar.Settings{}, errors.New("there is no <b>gone</b>")
			}
			return sidecar.Settings{FileInput: "s3://b/" + path, Mode: "AES_CTR", Key: make([]byte, 120), IV: make([]byte, 16), Region: "eu-west-1"}, nil
		},
	}
}

func mounted(drafts ...volume.DraftStatus) status.Report {
	return status.Report{Mountpoint: "/mnt/a", Volume: "s3://ingest/a/", State: status.Mounted, Status: &volume.Status{Drafts: drafts}}
}

// start serves a source until the test ends.
func start(t *testing.T, f *fake) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(f.source())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// browser is a client that has opened the page by its address.
func browser(t *testing.T, s *Server) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	resp, err := c.Get(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Request.URL.String() != s.at("/") {
		t.Fatalf("%s: %s", resp.Request.URL, resp.Status)
	}
	return c
}

func (s *Server) at(path string) string { return "http://" + s.listener.Addr().String() + path }

func get(t *testing.T, c *http.Client, address string) (int, string) {
	t.Helper()
	resp, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestToken: the token opens the page once, and from then on a cookie does that no script sees and no
// other site sends. A browser shows an address without it.
func TestToken(t *testing.T) {
	s := start(t, &fake{})
	once := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := once.Get(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cookies := resp.Cookies()
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/" || len(cookies) != 1 {
		t.Fatalf("%s to %q, %d cookies", resp.Status, resp.Header.Get("Location"), len(cookies))
	}
	if c := cookies[0]; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.Value, s.keys.token) || len(c.Value) < 43 || len(s.keys.token) < 43 {
		t.Errorf("the cookie is %v", c)
	}
	for _, path := range []string{"/", "/?token=", "/?token=" + strings.Repeat("A", len(s.keys.token)), "/events", "/settings?mount=a&path=b", "/style.css", "/page.js", "/nothing", "/events?token=" + s.keys.token} {
		if code, body := get(t, once, s.at(path)); code != http.StatusForbidden || strings.Contains(body, "/mnt") {
			t.Errorf("%s without a cookie: %d", path, code)
		}
	}
	if code, _ := get(t, browser(t, s), s.at("/?token=wrong")); code != http.StatusForbidden {
		t.Errorf("a wrong token beside a cookie: %d", code)
	}
}

// TestStrangers: who comes under another host's name, from another origin, or to change something, is
// refused, whatever they know.
func TestStrangers(t *testing.T) {
	s := start(t, &fake{})
	c := &http.Client{Timeout: 20 * time.Second}
	port := s.listener.Addr().String()[len("127.0.0.1"):]
	for _, r := range []struct {
		method, host string
		header       http.Header
		want         int
	}{
		{"GET", "", nil, 200},
		{"HEAD", "", nil, 200},
		{"GET", "localhost" + port, nil, 200},
		{"GET", "evil.example" + port, nil, 403},
		{"GET", "127.0.0.1", nil, 403},
		{"GET", "127.0.0.1:1", nil, 403},
		{"GET", "", http.Header{"Origin": {s.at("")}}, 200},
		{"GET", "", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"GET", "", http.Header{"Origin": {"null"}}, 403},
		{"GET", "", http.Header{"Origin": {"http://127.0.0.1:1"}}, 403},
		{"GET", "", http.Header{"Sec-Fetch-Site": {"none"}}, 200},
		{"GET", "", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200},
		{"GET", "", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"GET", "", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"POST", "", nil, 405},
		{"PUT", "", nil, 405},
		{"DELETE", "", nil, 405},
		{"OPTIONS", "", nil, 405},
		{"POST", "evil.example" + port, nil, 403},
	} {
		for _, path := range []string{"/", "/settings", "/page.js"} {
			req, err := http.NewRequestWithContext(t.Context(), r.method, s.at(path), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = r.host
			req.AddCookie(&http.Cookie{Name: s.keys.name, Value: s.keys.cookie})
			for name, value := range r.header {
				req.Header[name] = value
			}
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want := r.want
			if path == "/settings" && want == 200 {
				want = 404
			}
			if resp.StatusCode != want {
				t.Errorf("%s %s as %q with %v: %d, not %d", r.method, path, r.host, r.header, resp.StatusCode, want)
			}
			if resp.Header.Get("Content-Security-Policy") != policy || resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: headers %v", r.method, path, resp.Header)
			}
			if want == 405 && resp.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow: %q", resp.Header.Get("Allow"))
			}
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Error(policy)
	}
}

// TestLoopbackOnly: what other machines reach is not listened at.
func TestLoopbackOnly(t *testing.T) {
	s, err := Listen("0.0.0.0:0")
	if err == nil {
		s.Close()
		t.Fatal("it listens for everybody")
	}
	if !strings.Contains(err.Error(), "give 127.0.0.1") {
		t.Error(err)
	}
}

// hostile are names that a bucket may have.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</main></body>`, "a\nb\r\ndata: x\n\nevent: ended", "\u202egpj.exe", "\u2066x\u2069", "\xff\xfe", "{{.}}",
	strings.Repeat("ü", 127) + "x", "a&b=c#d?e%2e", "javascript:alert(1)", "\x00\x1b[2J", `${x}'"`,
}

// TestHostileNames: a name is text, in the page, in what follows, in addresses, and in the settings.
func TestHostileNames(t *testing.T) {
	var drafts []volume.DraftStatus
	f := &fake{}
	size := int64(5)
	for i, name := range hostile {
		drafts = append(drafts, volume.DraftStatus{Path: name, State: []string{"uploading", "queued", "lost"}[i%3], Size: 10, Failure: &volume.Failure{Cause: name}})
		f.events = append(f.events, feed.Line{Type: "commit", Path: name, Size: &size, Sidecar: "s"}, feed.Line{Type: "job", Path: name, Job: name, Status: name, What: name, Outputs: hostile})
	}
	r := mounted(drafts...)
	r.Note, r.Volume, r.State = hostile[0], hostile[1], status.Mounted
	r.Conflicts = []volume.ConflictStatus{{Path: hostile[0], Aside: hostile[4], There: true}}
	f.set(r)
	s := start(t, f)
	c := browser(t, s)
	body := readEvent(t, c, s, func(body string) bool {
		return strings.Count(body, ">in the store<") == len(hostile) && strings.Count(body, "outputs: ") == len(hostile)
	})
	for _, bad := range []string{"<script>alert", "<img", "\u202e", "\u2066", "\xff", "\x00", "\x1b", "\r"} {
		if strings.Contains(body, bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
	if !utf8.ValidString(body) || strings.Count(body, "</main>") != 0 {
		t.Error("the page is broken")
	}
	if !strings.Contains(body, "&lt;script&gt;alert(1)&lt;/script&gt;") || !strings.Contains(body, `\u202egpj.exe`) {
		t.Errorf("the names are not shown:\n%s", body)
	}
	for _, name := range hostile {
		code, body := get(t, c, s.at("/settings?"+url.Values{"mount": {mountID(r)}, "path": {name}}.Encode()))
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img") || !utf8.ValidString(body) || strings.Contains(body, "\u202e") {
			t.Errorf("%q: %d %s", name, code, body)
		}
	}
}

// readEvent reads what is sent to a page until that has something.
func readEvent(t *testing.T, c *http.Client, s *Server, has func(string) bool) string {
	t.Helper()
	resp, err := c.Get(s.at("/events"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body strings.Builder
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		switch data, is := strings.CutPrefix(lines.Text(), "data: "); {
		case is:
			body.WriteString(data + "\n")
		case lines.Text() == "event: status" || lines.Text() == "data:":
		case lines.Text() == "":
			if has(body.String()) {
				return body.String()
			}
			body.Reset()
		default:
			t.Fatalf("%q is no line of an event", lines.Text())
		}
	}
	t.Fatal("it was not sent")
	return ""
}

// TestSections: of a file is shown what is to be done about it, with its cure.
func TestSections(t *testing.T) {
	r := mounted(
		volume.DraftStatus{Path: "film.mov", State: "uploading", Size: 400 << 20, Sent: 100 << 20, Rate: 10 << 20, Left: 30},
		volume.DraftStatus{Path: "denied.mov", State: "queued", Size: 9, Failure: &volume.Failure{Cause: "access denied", Tries: 2}},
		volume.DraftStatus{Path: "other.mov", State: "queued", Size: 9, Failure: &volume.Failure{Cause: "strange", Tries: 2}},
		volume.DraftStatus{Path: "full.mov", State: "queued", Size: 9, Failure: &volume.Failure{Cause: "full", Cure: "raise spool.max_size"}},
		volume.DraftStatus{Path: "killed.mov", State: "interrupted", Size: 9},
		volume.DraftStatus{Path: "open.mov", State: "writing", Size: 9},
	)
	r.Conflicts = []volume.ConflictStatus{{Path: "f", Aside: "f (conflict h)", There: true}, {Path: "g", Aside: "removed"}}
	r.HotFolders = []status.HotFolder{{Path: "day1", Running: 2, Created: 7}}
	size := int64(5 << 20)
	f := &fake{events: []feed.Line{
		{Type: "commit", Path: "old.mov", Size: &size, Sidecar: "old.mov.settings.json"},
		{Type: "commit", Path: "removed.mov", Size: &size, Sidecar: "x"},
		{Type: "remove", Path: "removed.mov"},
		{Type: "rename", Path: "old.mov", To: "new.mov"},
		{Type: "failure", Path: "denied.mov", Failure: &verdict.Line{Cure: "give credentials that may use the bucket"}},
		{Type: "job", What: "created", Path: "new.mov", Job: "1-a"},
		{Type: "job", What: "ended", Path: "new.mov", Job: "1-a", Status: "ERROR", Failure: &verdict.Line{Message: "cannot be read", Cure: "correct --role"}},
	}}
	f.set(r)
	s := start(t, f)
	c := browser(t, s)
	body := readEvent(t, c, s, func(body string) bool { return strings.Contains(body, "correct --role") })
	for _, want := range []string{
		`<p id="summary" role="status">Failures: 4. Conflicts: 1.</p>`, `<progress max="100" value="25"`, "100.0 MiB of 400.0 MiB (25%), 10.0 MiB/s, 30s left",
		"</strong> give credentials that may use the bucket", "</strong> raise spool.max_size", "</strong> nothing is lost, and it is tried again by itself; mcfs doctor looks for what is amiss", "write and close it again",
		"another machine had saved f", "jobs: 2 under way, 7 created since the mount", "open.mov", "cannot be read", "</strong> correct --role", `path=new.mov">Decryption settings`, ">error<",
	} {
		if !strings.Contains(strings.Join(strings.Fields(body), " "), strings.ReplaceAll(want, `path=new.mov">`, `path=new.mov" aria-describedby="`+idOf(mountID(r), "file", "new.mov")+`-name">`)) {
			t.Errorf("%s is missing:\n%s", want, body)
		}
	}
	for _, not := range []string{"old.mov", "removed", ">created<"} {
		if strings.Contains(body, not) {
			t.Errorf("%s is shown", not)
		}
	}
}

// TestSettings: the fields of the console are shown of a file in a mount that is shown, and of nothing
// else.
func TestSettings(t *testing.T) {
	f := &fake{}
	f.set(mounted())
	s := start(t, f)
	c := browser(t, s)
	ask := func(mount, path string) (int, string) {
		return get(t, c, s.at("/settings?"+url.Values{"mount": {mount}, "path": {path}}.Encode()))
	}
	id := mountID(mounted())
	code, body := ask(id, "/day1/film.mov.settings.json")
	for _, want := range []string{"AES_CTR", strings.Repeat("A", 160), "AAAAAAAAAAAAAAAAAAAAAA==", "eu-west-1", "s3://b/day1/film.mov", `data-copy="key"`, "AWS Region for decryption key"} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("%d, without %s", code, want)
		}
	}
	for _, bad := range [][2]string{{"other", "film.mov"}, {"", "film.mov"}, {id, "../../etc/passwd"}, {id, "a/../../b"}, {id, ""}, {id, "."}, {id, "a//b"}, {id, "gone"}} {
		if code, body := ask(bad[0], bad[1]); code != 404 || strings.Contains(body, "data-copy") || strings.Contains(body, "<b>") {
			t.Errorf("%q: %d %s", bad, code, body)
		}
	}
	if got := strings.Join(f.asked, ","); got != "/mnt/a day1/film.mov,/mnt/a gone" {
		t.Errorf("asked for %s", got)
	}
}

// TestBounds: a hundred thousand files that wait make a page of some rows and a number, quickly, and
// are not looked at more often however many look at it.
func TestBounds(t *testing.T) {
	const many = 100_000
	var drafts []volume.DraftStatus
	for i := range many {
		drafts = append(drafts, volume.DraftStatus{Path: fmt.Sprintf("%06d", i), State: "queued"})
	}
	r := mounted(drafts...)
	for range 1000 {
		r.Conflicts = append(r.Conflicts, volume.ConflictStatus{Path: "c", Aside: "c", There: true})
	}
	f := &fake{}
	f.set(r)
	s := start(t, f)
	c := browser(t, s)
	code, body := get(t, c, s.at("/"))
	if code != 200 || len(body) > 40<<10 || !strings.Contains(body, fmt.Sprintf("and %d more:", many-mostRows)) || !strings.Contains(body, "and 970 more:") {
		t.Errorf("%d, %d bytes:\n%.3000s", code, len(body), body)
	}
	begun := time.Now()
	p, err := s.look()
	if err != nil {
		t.Fatal(err)
	}
	looks := f.looks.Load()
	for range 200 {
		get(t, c, s.at("/"))
	}
	if n, most := f.looks.Load()-looks, int64(time.Since(begun)/lookEvery)+1; n > most {
		t.Errorf("it has looked %d times in %v", n, time.Since(begun))
	}
	if p.rest < lookEvery {
		t.Errorf("it looks again after %v", p.rest)
	}
}

// TestManyMounts: mounts are bounded, too, and those that do not answer are said at the top.
func TestManyMounts(t *testing.T) {
	f := &fake{}
	var all []status.Report
	for i := range 50 {
		all = append(all, status.Report{Mountpoint: fmt.Sprint("/mnt/", i), State: status.Silent})
	}
	f.set(all...)
	s := start(t, f)
	_, body := get(t, browser(t, s), s.at("/"))
	if !strings.Contains(body, "and 30 mounts more") || !strings.Contains(body, "Mounts that do not answer: 50.") {
		t.Error(body)
	}
}

// TestEventsEnd: who looks is told the end, and Close waits for nobody who does not read.
func TestEventsEnd(t *testing.T) {
	f := &fake{}
	f.set(mounted())
	s := start(t, f)
	c := browser(t, s)
	resp, err := c.Get(s.at("/events"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || line != "event: status\n" {
		t.Fatalf("%q %v", line, err)
	}
	begun := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > closeTimeout+time.Second {
		t.Errorf("Close took %v", took)
	}
	rest, err := io.ReadAll(lines)
	if err != nil || !strings.HasSuffix(string(rest), "event: ended\ndata: ended\n\n") {
		t.Errorf("%q %v", rest, err)
	}
}

// slow is a viewer that does not read.
type slow struct {
	http.ResponseWriter
	deadline time.Time
}

func (s *slow) SetWriteDeadline(at time.Time) error { s.deadline = at; return nil }
func (s *slow) Write([]byte) (int, error)           { return 0, os.ErrDeadlineExceeded }
func (s *slow) FlushError() error                   { return nil }

// TestSlowViewer: one that does not read is let go at its deadline, and gives its place back.
func TestSlowViewer(t *testing.T) {
	f := &fake{}
	f.set(mounted())
	s := start(t, f)
	w := &slow{ResponseWriter: httptest.NewRecorder()}
	s.events(w, httptest.NewRequestWithContext(t.Context(), "GET", "/events", nil))
	if left := time.Until(w.deadline); left > writeTimeout || left < writeTimeout/2 {
		t.Errorf("it had %v left", left)
	}
	if len(s.viewers) != 0 {
		t.Error("it has kept its place")
	}
}

// TestManyViewers: there are never more than some, and one that leaves makes room.
func TestManyViewers(t *testing.T) {
	f := &fake{}
	f.set(mounted())
	s := start(t, f)
	c := browser(t, s)
	var open []*http.Response
	for range mostViewers {
		resp, err := c.Get(s.at("/events"))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, resp)
	}
	if code, _ := get(t, c, s.at("/events")); code != http.StatusServiceUnavailable {
		t.Errorf("one more: %d", code)
	}
	for _, resp := range open {
		resp.Body.Close()
	}
	for range mostViewers { // fills only as those that have left are let go
		s.viewers <- struct{}{}
	}
	for range mostViewers {
		<-s.viewers
	}
}
