package watchdog

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// role is the variable that makes the test's program the process that looks.
const role = "LOOK_AT"

func TestMain(m *testing.M) {
	if at := os.Getenv(role); at != "" {
		if err := Look(at, os.Stdin, os.Stdout); err != nil { // it ends with the test
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// supervised listens as systemd does, and has the test be told that it is the main process of a unit.
func supervised(t *testing.T) (next func() string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "200000")
	t.Setenv("WATCHDOG_PID", "")
	return func() string {
		t.Helper()
		buf := make([]byte, 4096)
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

// TestFeeds: what answers is told, again and again, until the end, which the process that looks does not outlive.
func TestFeeds(t *testing.T) {
	next := supervised(t)
	t.Setenv(role, t.TempDir())
	var log bytes.Buffer
	w := Start([]string{os.Args[0]}, slog.New(slog.NewTextHandler(&log, nil)))
	if w == nil {
		t.Fatal("nobody feeds")
	}
	for range 5 {
		if got := next(); got != "WATCHDOG=1" {
			t.Errorf("said %q", got)
		}
	}
	w.Close()
	if strings.Contains(log.String(), "cannot") {
		t.Errorf("the log says %s", log.String())
	}
}

// TestNobodyLooks: where the process cannot be started, systemd is told not to wait, rather than to kill a mount that is well.
func TestNobodyLooks(t *testing.T) {
	next := supervised(t)
	var log bytes.Buffer
	w := Start([]string{filepath.Join(t.TempDir(), "nothing")}, slog.New(slog.NewTextHandler(&log, nil)))
	if got := next(); got != "WATCHDOG_USEC=0" {
		t.Errorf("said %q", got)
	}
	w.Close()
	if !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("the log says %s", log.String())
	}
}

// TestNotSupervised: without systemd nothing is begun, and the end of nothing is none.
func TestNotSupervised(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	w := Start([]string{"/nothing"}, slog.New(slog.DiscardHandler))
	if w != nil {
		t.Error("somebody feeds")
	}
	w.Close()
}

// TestLook: each question has an answer, a folder that is not there is no dead mount, and the end of the questions is the end.
func TestLook(t *testing.T) {
	for _, at := range []string{t.TempDir(), "/not/there"} {
		var out bytes.Buffer
		if err := Look(at, strings.NewReader("???"), &out); err != nil || out.String() != "+++" {
			t.Errorf("%s: %q, %v", at, out.String(), err)
		}
	}
	r, w := io.Pipe()
	r.Close()
	if err := Look("/", strings.NewReader("?"), w); err == nil {
		t.Error("who asks is gone, and it looks on")
	}
}
