package main

import (
	"bufio"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/internal/terminaltest"
	"mcfs/sidecar"
	"mcfs/store/s3/s3test"
)

// On a terminal --watch redraws in place until it is interrupted.
func TestStatusWatchOnATerminal(t *testing.T) {
	r := newRig(t)
	r.start()
	r.breakWrites(s3test.Fault{Status: 503, Code: "SlowDown"})
	r.save("movie.mp4", "moving pictures")
	near, far := terminaltest.Open(t)
	cmd := r.mcfs("status", "--watch", r.mountpoint)
	cmd.Stdout, cmd.Stderr = far, far
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	if err := near.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	said, buf := "", make([]byte, 4096)
	for !strings.Contains(said, "movie.mp4  15 B; failed") || !strings.Contains(said, "A\r\x1b[J") {
		n, err := near.Read(buf)
		if said += string(buf[:n]); err != nil {
			t.Fatalf("%v, after %q", err, said)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if status := r.ended(cmd, 10*time.Second); status != 0 {
		t.Errorf("status %d", status)
	}
	r.s3.Proxy.Reset()
}

// --web shows mounts as a page until it is interrupted: what fails, what was saved, and the settings of
// that as the mount has them.
func TestStatusWeb(t *testing.T) {
	r := newRig(t)
	r.start()
	r.save("saved.mp4", "moving pictures")
	if out, err := r.mcfs("sync", r.mountpoint).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.breakWrites(s3test.Fault{Status: 503, Code: "SlowDown"})
	r.save("late.mp4", "moving pictures")
	cmd := r.mcfs("status", "--web")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(address)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	fetchPage(t, browser, address)
	at, _, _ := strings.Cut(address, "/?")
	link := regexp.MustCompile(`href="(/settings[^"]*saved[.]mp4)"`)
	page := awaitPage(t, browser, at, func(page string) bool {
		return link.MatchString(page) && strings.Contains(page, "late.mp4") && strings.Contains(page, "SlowDown") && strings.Contains(page, "look at the network and store.endpoint")
	})
	settings := fetchPage(t, browser, at+html.UnescapeString(link.FindStringSubmatch(page)[1]))
	text, err := os.ReadFile(filepath.Join(r.mountpoint, "saved.mp4.settings.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sidecar.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{s.Mode, s.Region, base64.StdEncoding.EncodeToString(s.IV), base64.StdEncoding.EncodeToString(s.Key)} {
		if !strings.Contains(html.UnescapeString(settings), ">"+want+"</code>") {
			t.Errorf("%s is missing:\n%s", want, settings)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if status := r.ended(cmd, 10*time.Second); status != 0 {
		t.Errorf("status %d", status)
	}
	r.s3.Proxy.Reset()
}

// awaitPage reads what is sent to the page until that has something.
func awaitPage(t *testing.T, browser *http.Client, at string, has func(string) bool) string {
	t.Helper()
	resp, err := browser.Get(at + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page := ""
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		switch line := lines.Text(); {
		case line != "":
			page += strings.TrimPrefix(line, "data: ") + "\n"
		case has(page):
			return page
		default:
			page = ""
		}
	}
	t.Fatalf("the page ends without it:\n%s", page)
	return ""
}

func fetchPage(t *testing.T, browser *http.Client, address string) string {
	t.Helper()
	resp, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", address, resp.Status, err)
	}
	return string(body)
}
