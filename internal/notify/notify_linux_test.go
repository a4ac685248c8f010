package notify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"mcfs/internal/feed"
	"mcfs/internal/verdict"
	"mcfs/volume/event"
)

// limit is how long a test waits for what has to come.
const limit = time.Minute

// session is a bus, with a desktop on it.
type session struct {
	address string
	shown   chan shown
	can     []string
	hang    chan struct{} // not nil: the desktop answers when it is closed
}

type shown struct{ title, body string }

// Notify and GetCapabilities are the desktop's.
func (s *session) Notify(_ string, replaces uint32, _, title, body string, actions []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	s.shown <- shown{title, body}
	if s.hang != nil {
		<-s.hang
	}
	return 1, nil
}

func (s *session) GetCapabilities() ([]string, *dbus.Error) { return s.can, nil }

// newSession starts a bus of its own, and a desktop on it, which answers at once where hang is nil.
func newSession(t *testing.T, hang chan struct{}, can ...string) *session {
	t.Helper()
	c := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address=1", "--address=unix:path="+t.TempDir()+"/a%20bus")
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	s := &session{address: strings.TrimSpace(address), shown: make(chan shown, 16), can: can, hang: hang}
	conn, err := dbus.Connect(s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.Export(s, object, service); err != nil {
		t.Fatal(err)
	}
	if reply, err := conn.RequestName(service, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", s.address)
	return s
}

// notifier shows what happens in a feed of its own, by the clock of a test.
func notifier(t *testing.T, c clock) (*feed.Feed, *Notifier) {
	t.Helper()
	show := findDesktop()
	if show == nil {
		t.Fatal("no desktop is found")
	}
	f := feed.New(feed.Place{Mountpoint: "/mnt/in"})
	n := start(f, "/mnt/in", show, c, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { f.Close() })
	return f, n
}

func fails(f *feed.Feed, path string, again bool) {
	cause := verdict.With(errors.New("AccessDenied: token AQoDYXdz"), verdict.StoreDenied, "allow <s3:PutObject> & try again")
	f.Observe(event.Event{Kind: event.Failure, What: saved, Path: path, Cause: cause, Again: again})
}

// next is the next notification.
func (s *session) next(t *testing.T) shown {
	t.Helper()
	select {
	case n := <-s.shown:
		return n
	case <-time.After(limit):
		t.Fatal("no notification")
		return shown{}
	}
}

// TestBurst: five files that fail together are one notification, which says how many, and what to do, and
// repeats no text of a server. What is tried again, a change of a name, and a success are none.
func TestBurst(t *testing.T) {
	s := newSession(t, nil, "body", markup)
	f, n := notifier(t, clock{burst: limit, between: limit, call: limit}) // shown by Close
	fails(f, "again.mov", true)
	f.Observe(event.Event{Kind: event.Failure, What: "rename", Path: "name.mov", Cause: errors.New("x")})
	f.Observe(event.Event{Kind: event.Commit, Path: "well.mov"})
	for i := range 5 {
		fails(f, fmt.Sprintf("<b>&%d.mov\n", i), false)
	}
	f.Close()
	n.Close()
	want := shown{"mcfs: 5 files are not saved in the store", `&lt;b&gt;&amp;0.mov\n
&lt;b&gt;&amp;1.mov\n
&lt;b&gt;&amp;2.mov\n
and 2 more
allow &lt;s3:PutObject&gt; &amp; try again
mcfs status /mnt/in tells more.`}
	if got := s.next(t); got != want {
		t.Errorf("shown\n%q\nnot\n%q", got, want)
	}
	select {
	case more := <-s.shown:
		t.Errorf("another one: %q", more)
	default:
	}
}

// TestBursts: what fails after a burst was shown is another notification. A desktop without markup gets text.
func TestBursts(t *testing.T) {
	s := newSession(t, nil, "body")
	f, n := notifier(t, clock{burst: time.Millisecond, between: time.Millisecond, call: limit})
	for _, name := range []string{"a&b.mov", "c.mov"} {
		fails(f, name, false)
		if got := s.next(t); got.title != "mcfs: a file is not saved in the store" || !strings.HasPrefix(got.body, name+"\nallow <s3:PutObject> & try again\n") {
			t.Errorf("shown %q", got)
		}
	}
	f.Close()
	n.Close()
}

// TestDesktopHangs: a desktop, or a bus, that does not answer keeps nobody: not what happens, and not the end.
func TestDesktopHangs(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	s := newSession(t, hang)
	const call = 500 * time.Millisecond
	f, n := notifier(t, clock{burst: time.Millisecond, between: time.Millisecond, call: call})
	fails(f, "a.mov", false)
	s.next(t)
	fails(f, "b.mov", false)
	s.next(t) // the first was given up
	f.Close()
	n.Close() // within the test's time

	silent := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", silent)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), call)
	defer cancel()
	if err := notify(ctx, silent, "a", "b"); err == nil || !strings.Contains(err.Error(), silent) {
		t.Errorf("a bus that says nothing: %v", err)
	}
}

// TestNoDesktop: without a session nothing is begun, and none is started.
func TestNoDesktop(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if n := Start(feed.New(feed.Place{}), "/mnt", slog.New(slog.DiscardHandler)); n != nil {
		t.Error("a desktop is found")
	}
	var none *Notifier
	if err := none.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("/nowhere"); err == nil {
		t.Fatal("/nowhere is there")
	}
	if err := notify(t.Context(), "/nowhere", "a", "b"); err == nil {
		t.Error("shown nowhere")
	}
}

// TestBusSocket: addresses are read as the specification of D-Bus spells them.
func TestBusSocket(t *testing.T) {
	for addresses, want := range map[string]string{
		"unix:path=/run/user/1000/bus":       "/run/user/1000/bus",
		"unix:path=/a%20b,guid=12":           "/a b",
		"unix:guid=12,abstract=/tmp/dbus-x":  "@/tmp/dbus-x",
		"tcp:host=other,port=1;unix:path=/b": "/b",
		"autolaunch:":                        "",
		"unix:tmpdir=/tmp":                   "",
		"unix:path=%zz":                      "",
		"":                                   "",
		"unixexec:path=/bin/sh;nonce-tcp:host=x,port=1;launchd:": "",
	} {
		if got := busSocket(addresses); got != want {
			t.Errorf("%q: %q, not %q", addresses, got, want)
		}
	}
}
