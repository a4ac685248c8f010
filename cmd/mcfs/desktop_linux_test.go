package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"mcfs/store/s3/s3test"
)

// notices is a desktop on a bus of its own, which keeps what it is to show.
type notices struct{ shown chan string }

// Notify and GetCapabilities are called by the bus.
func (s notices) Notify(_ string, _ uint32, _, title, body string, _ []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	s.shown <- title + "\n" + body
	return 1, nil
}

func (s notices) GetCapabilities() ([]string, *dbus.Error) { return []string{"body"}, nil }

// newDesktop starts a bus with a desktop, and returns its address.
func newDesktop(t *testing.T) (desktop notices, address string) {
	t.Helper()
	c := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address=1", "--address=unix:path="+filepath.Join(t.TempDir(), "bus"))
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	if address, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(address)
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	desktop = notices{make(chan string, 16)}
	if err := conn.Export(desktop, "/org/freedesktop/Notifications", "org.freedesktop.Notifications"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.Notifications", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return desktop, address
}

// TestFailedSaveOnDesktop: a file for which the mount has no room, and which nobody will send, is shown on the desktop
// with its name and the cure; a save that is tried again is not; and nothing is if the configuration says so.
func TestFailedSaveOnDesktop(t *testing.T) {
	for _, set := range []string{"failures", "off"} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			desktop, address := newDesktop(t)
			r := newRig(t)
			r.configure("[spool]\nmax_size = \"32MiB\"\n[notify]\ndesktop = \"" + set + "\"\n")
			daemon := r.start("DBUS_SESSION_BUS_ADDRESS=" + address)
			r.breakWrites(s3test.Fault{Status: 503, Code: "SlowDown"})
			r.save("again.mov", "is tried again")
			err := os.WriteFile(filepath.Join(r.mountpoint, "long.mov"), make([]byte, 48<<20), 0o600)
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("a file that is longer than the spool: %v", err)
			}
			if set == "failures" {
				select {
				case got := <-desktop.shown:
					if !strings.HasPrefix(got, "mcfs: a file is not saved in the store\nlong.mov\n") || !strings.Contains(got, "mcfs status") {
						t.Errorf("shown: %q", got)
					}
				case <-time.After(time.Minute):
					t.Error("nothing is shown in a minute")
				}
			}
			r.s3.Proxy.Reset()
			if out, err := r.mcfs("unmount", r.mountpoint).CombinedOutput(); err != nil {
				t.Logf("unmount: %v: %s", err, out)
			}
			r.ended(daemon, time.Minute)
			select {
			case more := <-desktop.shown:
				t.Errorf("shown besides: %q", more)
			default:
			}
		})
	}
}
