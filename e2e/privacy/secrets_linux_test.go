package privacy

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// TestNoSecretIsTold takes a mount through saves, reads, failures and a crash
// with all goroutines printed, and looks for data keys, content and credentials
// in all that it said, stored or shows of itself.
func TestNoSecretIsTold(t *testing.T) {
	rig.Need(t, "bash", "find")
	metrics, err := s3test.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	r := rig.New(t, rig.Settings{
		"log.level": `"debug"`, "upload.timeout": `"2s"`, "mount.fresh": `"0s"`, "metrics.listen": fmt.Sprintf("%q", metrics),
	})
	s := &suspect{t: t, r: r, m: r.Mount("a"), marker: "MARKER " + rand.Text(), begun: time.Now().Add(-time.Second)}
	s.m.Expect(`level=ERROR`)
	s.saves()
	s.failures()
	s.ask("status", s.m.Dir)
	s.ask("status", "--json", s.m.Dir)
	s.told.WriteString(fetch(t, "http://"+metrics+"/metrics"))
	s.look("while the mount runs", s.needles(), append(s.system(), s.m.Spool, r.Dir+"/home", r.Dir+"/tmp")...)
	s.crash()
	s.ask("status", s.m.Dir)
	s.ask("unmount", s.m.Dir)
	s.look("after a crash", s.needles(), s.m.Spool, r.Dir+"/home", r.Dir+"/tmp")
	again := s.m.Again()
	again.Expect(`level=ERROR`)
	again.Shell(`cat kept open`)
	again.Unmount()
	s.told.WriteString(again.Log())
	s.look("after the next mount", s.needles(), s.m.Spool, r.Dir+"/home", r.Dir+"/tmp")
}

// suspect is a mount that might tell.
type suspect struct {
	t      *testing.T
	r      *rig.Rig
	m      *rig.Mount
	marker string // in every file's content
	begun  time.Time
	told   strings.Builder // what programs printed
}

// ask runs mcfs and keeps what it says; some must fail here.
func (s *suspect) ask(args ...string) {
	s.t.Helper()
	out, _ := s.m.Mcfs(time.Minute, args...)
	s.told.WriteString(out)
	if out == "" && args[0] != "sync" {
		s.t.Errorf("mcfs %q said nothing", args)
	}
}

func (s *suspect) try(script string) {
	s.t.Helper()
	out, _ := s.m.TryShell(time.Minute, script)
	s.told.WriteString(strings.ReplaceAll(out, s.marker, "")) // what cat shows it may
}

// saves is what goes well.
func (s *suspect) saves() {
	s.t.Helper()
	s.m.Shell(fmt.Sprintf(`for i in 1 2 3; do head -c 300000 <(yes '%s') >f$i; done; head -c 12000000 <(yes '%[1]s') >large
		head -c 100000 <(yes '%[1]s') >f1; mv f2 f4; rm f3; cp f4 kept; ln -s '%[1]s' link; cat f1 large link >/dev/null 2>&1 || true`, s.marker))
	s.ask("sync", s.m.Dir)
	s.ask("settings", s.m.Path("f1"))
	s.r.Settle(time.Minute, []string{"f1", "f4", "kept", "large"}, "link")
}

// failures are refusals of S3 and KMS, tampering, and malformed settings.
func (s *suspect) failures() {
	s.t.Helper()
	save := fmt.Sprintf(`head -c 200000 <(yes '%s') >`, s.marker)
	for i, f := range []s3test.Fault{
		{Status: 403, Code: "SignatureDoesNotMatch"}, {Status: 503, Code: "SlowDown"}, {Status: 400, Code: "ExpiredToken"}, {Truncate: 10},
	} {
		s.r.S3.Proxy.Hook(func(s3test.Request) s3test.Fault { return f })
		s.try(save + fmt.Sprint("failing", i) + `; cat large kept`)
	}
	s.r.S3.Proxy.Hook(nil)
	for i, code := range []string{"AccessDeniedException", "DisabledException", "InvalidCiphertextException"} {
		s.r.KMS.FailNext(40, code)
		s.try(save + fmt.Sprint("unkeyed", i))
	}
	s.r.KMS.FailNext(-1, "")
	tampered := s.r.Get(rig.Prefix + "large")
	tampered.Body[len(tampered.Body)/2] ^= 1
	s.r.Put(rig.Prefix+"tampered", tampered)
	s.r.Put(rig.Prefix+"tampered"+rig.SidecarSuffix, s.r.Get(rig.Prefix+"large"+rig.SidecarSuffix))
	spoiled := s.r.Get(rig.Prefix + "f4" + rig.SidecarSuffix)
	spoiled.Body = spoiled.Body[:len(spoiled.Body)/2]
	s.r.Put(rig.Prefix+"spoiled", s.r.Get(rig.Prefix+"f4"))
	s.r.Put(rig.Prefix+"spoiled"+rig.SidecarSuffix, spoiled)
	s.try(`ls -l`)
	s.try(`cat tampered >/dev/null`)
	s.try(`cat spoiled >/dev/null`)
	s.ask("settings", s.m.Path("spoiled"))
	if len(s.m.LogLines("level=ERROR")) == 0 {
		s.t.Error("no failure was logged: what this test is for was not tried")
	}
}

// crash has the daemon print its goroutines in the middle of its work, with a
// file open and an upload that hangs.
func (s *suspect) crash() {
	s.t.Helper()
	s.r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault { return s3test.Fault{Hang: q.Method != http.MethodGet} })
	f, err := os.Create(s.m.Path("open"))
	if err == nil {
		_, err = io.WriteString(f, strings.Repeat(s.marker+"\n", 400_000))
		err = firstOf(err, f.Sync())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.m.Quit()
	_ = f.Close() // there is nobody to answer
	s.r.S3.Proxy.Hook(nil)
	if !strings.Contains(s.m.Log(), "goroutine 1 ") {
		s.t.Error("the daemon printed no goroutines")
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// needles are data keys, content, and the secret of the credentials.
func (s *suspect) needles() []rig.Needle {
	all := append(s.r.Secrets(), rig.Needle{What: "the content", Text: []byte(s.marker)},
		rig.Needle{What: "the content in base64", Text: []byte(base64.RawStdEncoding.EncodeToString([]byte(s.marker))[:24])})
	if len(all) < 20 {
		s.t.Fatal("KMS made no data keys")
	}
	return append(all, rig.Needle{What: "the secret access key", Text: []byte(s.r.S3.SecretKey)})
}

// system is what the machine shows of the daemon to others.
func (s *suspect) system() (places []string) {
	for _, name := range []string{"cmdline", "comm", "status", "mountinfo", "limits"} {
		places = append(places, fmt.Sprintf("/proc/%d/%s", s.m.PID(), name))
	}
	return places
}

// look searches what was printed, the log, and the places. In the environment
// there is what the user put there, and nothing else.
func (s *suspect) look(when string, needles []rig.Needle, places ...string) {
	s.t.Helper()
	found := rig.NewSearch(needles, s.begun)
	found.Text("what programs printed", s.told.String())
	found.Text("the log", s.m.Log())
	for _, place := range places {
		if text, err := os.ReadFile(place); err == nil {
			found.Text(place, string(text))
			continue
		}
		found.Walk(s.t, place)
	}
	environ := rig.NewSearch(s.r.Secrets(), s.begun)
	if text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(s.m.PID()), "environ")); err == nil {
		environ.Text("the environment", string(text))
	}
	for _, hit := range append(found.Hits, environ.Hits...) {
		s.t.Errorf("%s: %s", when, hit)
	}
	if found.Files < 5 || found.Bytes < 100_000 {
		s.t.Errorf("%s: only %d files with %d bytes were searched", when, found.Files, found.Bytes)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	answer, err := (&http.Client{Timeout: 10 * time.Second}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || len(text) < 100 {
		t.Fatalf("%s: %v, %q", url, err, text)
	}
	return string(text)
}
