package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/fs"
)

// writer is a program that has written half of a file, and goes on when it is told to.
type writer struct {
	cmd *exec.Cmd
	on  io.WriteCloser
}

func (r *rig) writes(name string) writer {
	r.t.Helper()
	cmd := exec.Command("sh", "-c", `exec 3>"$0"; printf half >&3; echo ready; read x; printf whole >&3`, filepath.Join(r.mountpoint, name))
	on, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		r.t.Fatalf("the writer says %q, %v", line, err)
	}
	return writer{cmd, on}
}

// at is how the writer is to be named.
func (w writer) at(name string) string { return fmt.Sprintf("sh (%d): %s", w.cmd.Process.Pid, name) }

// lineOf waits for a line of a command's that holds text.
func lineOf(t *testing.T, out io.Reader, text string) {
	t.Helper()
	lines, seen := bufio.NewScanner(out), []string(nil)
	for lines.Scan() {
		if seen = append(seen, lines.Text()); strings.Contains(lines.Text(), text) {
			return
		}
	}
	t.Fatalf("it said %q, and not %q", seen, text)
}

// A file that is being written keeps the mount from ending, or has unmount --wait wait.
func TestUnmountUnderAWriter(t *testing.T) {
	r := newRig(t)
	daemon := r.start()
	w := r.writes("movie.mp4")
	if out, err := r.mcfs("unmount", r.mountpoint).CombinedOutput(); err == nil || !strings.Contains(string(out), "in use by "+w.at("movie.mp4")) {
		t.Errorf("unmount: %v: %s", err, out)
	}
	if _, err := os.ReadDir(r.mountpoint); err != nil {
		t.Fatal(err)
	}
	waiting := r.mcfs("unmount", "--wait", r.mountpoint)
	said, err := waiting.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	lineOf(t, said, "waiting until it is closed: "+w.at("movie.mp4"))
	r.save("another", "opened meanwhile")
	w.on.Close()
	if status := r.ended(waiting, 20*time.Second); status != 0 {
		t.Errorf("unmount --wait: status %d", status)
	}
	if status := r.ended(daemon, time.Second); status != 0 {
		t.Errorf("daemon: status %d: %s", status, r.log.String())
	}
	for _, name := range []string{"movie.mp4.settings.json", "another.settings.json"} {
		if !r.stored(name) {
			t.Errorf("%s is not stored", name)
		}
	}
}

// systemctl status says for whom a stop waits.
func TestSystemdOfAWriter(t *testing.T) {
	r := newRig(t)
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	daemon := r.start("NOTIFY_SOCKET=" + path)
	w := r.writes("movie.mp4")
	waiting := r.mcfs("unmount", "--wait", r.mountpoint)
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	want, buf := "STATUS=waiting until it is closed: "+w.at("movie.mp4"), make([]byte, 4096)
	for got := ""; got != want; {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("the last that systemd was told is %q, and not %q: %v", got, want, err)
		}
		got = string(buf[:n])
	}
	w.on.Close()
	if status := r.ended(waiting, 20*time.Second); status != 0 {
		t.Errorf("unmount --wait: status %d", status)
	}
	if status := r.ended(daemon, 10*time.Second); status != 0 {
		t.Errorf("daemon: status %d: %s", status, r.log.String())
	}
}

// What cannot wait cuts a writer off, and says so: unmount --now, and a signal.
func TestCutOff(t *testing.T) {
	for how, end := range map[string]func(r *rig, daemon *exec.Cmd) (said string){
		"now": func(r *rig, _ *exec.Cmd) string {
			out, err := r.mcfs("unmount", "--now", r.mountpoint).CombinedOutput()
			if err == nil {
				t.Error("unmount --now succeeded")
			}
			return string(out)
		},
		"signal": func(_ *rig, daemon *exec.Cmd) string { daemon.Process.Signal(syscall.SIGTERM); return "" },
	} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t)
			daemon := r.start()
			w := r.writes("movie.mp4")
			r.save("another", "closed")
			said := end(r, daemon)
			if status := r.ended(daemon, 20*time.Second); status != exitSome {
				t.Errorf("daemon: status %d", status)
			}
			if said += r.log.String(); !strings.Contains(said, "cut off while it was being written by "+w.at("movie.mp4")) {
				t.Errorf("it said %s", said)
			}
			w.cmd.Process.Kill()
			w.cmd.Wait()
			if _, there := fs.MountAt(r.mountpoint); there {
				t.Error("still mounted")
			}
			r.start()
			if got, err := os.ReadFile(filepath.Join(r.mountpoint, "movie.mp4")); err != nil || !bytes.Equal(got, []byte("half")) {
				t.Errorf("in the next mount: %q, %v", got, err)
			}
			out, err := r.mcfs("status", r.mountpoint).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "movie.mp4  4 B; its writer was killed or cut off") {
				t.Errorf("status: %v: %s", err, out)
			}
			if out, err := r.mcfs("unmount", r.mountpoint).CombinedOutput(); err != nil {
				t.Errorf("unmount: %v: %s", err, out)
			}
			if r.stored("movie.mp4") {
				t.Error("the half of it is stored")
			}
		})
	}
}
