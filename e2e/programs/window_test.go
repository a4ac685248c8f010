package programs

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// desktop is a screen that nobody sees.
type desktop struct {
	t   *testing.T
	env []string
}

func newDesktop(b *bench) *desktop {
	b.t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		b.t.Fatal(err)
	}
	defer read.Close()
	x := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp")
	x.ExtraFiles = []*os.File{write}
	if err := x.Start(); err != nil {
		b.t.Fatal(err)
	}
	write.Close()
	b.t.Cleanup(func() {
		_ = x.Process.Signal(syscall.SIGTERM)
		_ = x.Wait()
	})
	display, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		b.t.Fatalf("Xvfb names no display: %v", err)
	}
	return &desktop{b.t, append(os.Environ(), "DISPLAY=:"+strings.TrimSpace(display), "HOME="+b.t.TempDir(),
		"XDG_RUNTIME_DIR="+b.t.TempDir(), "GSETTINGS_BACKEND=memory", "NO_AT_BRIDGE=1", "GTK_USE_PORTAL=0", "LC_ALL=C.UTF-8")}
}

// open starts a program on a file of the mount, and waits for its window.
func (d *desktop) open(m *rig.Mount, name string, args ...string) (ended <-chan error) {
	d.t.Helper()
	cmd := exec.Command(args[0], append(args[1:], name)...)
	cmd.Dir, cmd.Env = m.Dir, d.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // ends with the program, at the latest by the clean-up
	d.t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	d.xdotool("search", "--sync", "--onlyvisible", "--name", name, "windowfocus", "--sync")
	return done
}

func (d *desktop) xdotool(args ...string) {
	d.t.Helper()
	cmd := exec.Command("timeout", append([]string{"60", "xdotool"}, args...)...)
	cmd.Env = d.env
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("xdotool %q: %v\n%s", args, err, out)
	}
}

// TestMousepad edits in a window: GTK saves through a temporary file beside the
// document. Two saves are two versions in S3, and nothing else.
func TestMousepad(t *testing.T) {
	rig.Need(t, "mousepad", "Xvfb", "xdotool", "dbus-run-session")
	b := newBench(t, nil)
	b.both(`printf 'one\n' >paper.txt`)
	d := newDesktop(b)
	ended := d.open(b.m, "paper.txt", "dbus-run-session", "--", "mousepad", "--disable-server")
	save := func(text, want string) {
		t.Helper()
		d.xdotool("key", "ctrl+End", "type", "--delay", "20", text)
		d.xdotool("key", "ctrl+s")
		for deadline := time.Now().Add(30 * time.Second); b.m.Run("cat", "paper.txt") != want; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("after saving, the file holds %q, not %q", b.m.Run("cat", "paper.txt"), want)
			}
		}
	}
	save("two", "one\ntwo")
	save(" three", "one\ntwo three")
	d.xdotool("key", "ctrl+q")
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Error("mousepad does not end")
	}
	b.locally(`printf 'one\ntwo three' >paper.txt`)
	b.upTo = map[string]int{"paper.txt": 3}
	b.finish()
}
