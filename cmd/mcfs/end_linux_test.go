package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/fs"
	"mcfs/internal/mounts"
	"mcfs/keys/kmstest"
	"mcfs/store/s3/s3test"
)

// rig is a home, a store that can be broken, and a mountpoint. Files are safe
// in the spool when close returns, so that uploads can be pending.
type rig struct {
	t          *testing.T
	s3         *s3test.Server
	env        []string
	mountpoint string
	log        bytes.Buffer
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, s3: s3test.Start(t, s3test.WithProxy())}
	kms := kmstest.Start(t, kmstest.Options{AccessKey: r.s3.AccessKey, SecretKey: r.s3.SecretKey})
	home := t.TempDir()
	r.mountpoint = filepath.Join(home, "mnt")
	if err := os.Mkdir(r.mountpoint, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`[store]
bucket = %q
region = %q
endpoint = %q
path_style = true
[keys]
key_id = %q
endpoint = %q
[upload]
timeout = "2s"
[mount]
durability = "spool"
`, r.s3.Bucket, r.s3.Region, r.s3.URL, kms.ARN(0), kms.URL)
	file := filepath.Join(home, "mcfs.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.env = append(append(os.Environ(), kms.Env()...), "AWS_ENDPOINT_URL_KMS=", "HOME="+home, "XDG_STATE_HOME=", "MCFS_CONFIG="+file)
	t.Cleanup(func() { unmountBelow(t, home) })
	return r
}

// configure adds to the configuration.
func (r *rig) configure(more string) {
	r.t.Helper()
	file := filepath.Join(filepath.Dir(r.mountpoint), "mcfs.toml")
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, append(text, more...), 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// mcfs is a command of the real program.
func (r *rig) mcfs(args ...string) *exec.Cmd {
	cmd := exec.Command("mcfs", args...)
	cmd.Env = r.env
	return cmd
}

// start runs a daemon in the foreground until it has mounted.
func (r *rig) start(env ...string) *exec.Cmd {
	r.t.Helper()
	cmd := r.mcfs("mount", r.mountpoint)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = &r.log
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 1000 {
		if _, there := fs.MountAt(r.mountpoint); there {
			return cmd
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatal("not mounted in 10 s")
	return nil
}

// save writes a file that the store does not take yet.
func (r *rig) save(name, content string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.mountpoint, name), []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// breakWrites keeps the store from taking anything.
func (r *rig) breakWrites(f s3test.Fault) {
	r.s3.Proxy.Hook(func(req s3test.Request) s3test.Fault {
		if req.Method == http.MethodPut || req.Method == http.MethodPost {
			return f
		}
		return s3test.Fault{}
	})
}

// stored says whether the server has an object.
func (r *rig) stored(name string) bool {
	_, err := os.Stat(filepath.Join(r.s3.Dir, r.s3.Bucket, name))
	return err == nil
}

// ended waits for a process; a test must not hang on one that does not end.
func (r *rig) ended(cmd *exec.Cmd, within time.Duration) (status int) {
	r.t.Helper()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // ends with the process, which is killed in Cleanup
	select {
	case <-done:
		return cmd.ProcessState.ExitCode()
	case <-time.After(within):
		r.t.Fatalf("has not ended after %v", within)
		return -1
	}
}

// Unmount waits for uploads, says so, and succeeds when they do.
func TestUnmountDrains(t *testing.T) {
	r := newRig(t)
	daemon := r.start()
	r.breakWrites(s3test.Fault{Status: 503, Code: "SlowDown"})
	r.save("movie.mp4", "moving pictures")
	cmd := r.mcfs("unmount", r.mountpoint)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2500 * time.Millisecond) // longer than it takes to say what it waits for
	if r.stored("movie.mp4") {
		t.Fatal("stored already: there was nothing to wait for")
	}
	if _, err := os.Create(filepath.Join(r.mountpoint, "late")); err == nil {
		t.Error("a file could be created while the mount was ending")
	}
	r.s3.Proxy.Reset()
	if status := r.ended(cmd, 20*time.Second); status != 0 {
		t.Fatalf("unmount: status %d: %s", status, said.String())
	}
	if status := r.ended(daemon, time.Second); status != 0 { // it ended before unmount did
		t.Errorf("daemon: status %d: %s", status, r.log.String())
	}
	if want := "waiting for 1 file (0.0 KiB of 0.0 KiB sent): movie.mp4"; !strings.Contains(said.String(), want) {
		t.Errorf("unmount said %q, not %q", said.String(), want)
	}
	if _, there := fs.MountAt(r.mountpoint); there {
		t.Error("still mounted")
	}
	if !r.stored("movie.mp4") || !r.stored("movie.mp4.settings.json") {
		t.Error("not stored")
	}
}

// What cannot be finished is named, stays in the spool, and is finished by the next mount.
func TestUnmountGivesUp(t *testing.T) {
	r := newRig(t)
	daemon := r.start()
	r.breakWrites(s3test.Fault{Status: 503, Code: "SlowDown"})
	r.save("movie.mp4", "moving pictures")
	cmd := r.mcfs("unmount", r.mountpoint)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if status := r.ended(cmd, 60*time.Second); status != 1 {
		t.Errorf("unmount: status %d", status)
	}
	if status := r.ended(daemon, time.Second); status != exitSome {
		t.Errorf("daemon: status %d", status)
	}
	for _, text := range []string{said.String(), r.log.String()} {
		if !strings.Contains(text, "kept in the spool: movie.mp4") {
			t.Errorf("it does not say what is left: %s", text)
		}
	}
	if _, there := fs.MountAt(r.mountpoint); there {
		t.Error("still mounted")
	}
	r.s3.Proxy.Reset()
	r.start()
	if got, err := os.ReadFile(filepath.Join(r.mountpoint, "movie.mp4")); err != nil || string(got) != "moving pictures" {
		t.Errorf("after the next mount: %q, %v", got, err)
	}
	if out, err := r.mcfs("unmount", r.mountpoint).CombinedOutput(); err != nil {
		t.Errorf("unmount: %v: %s", err, out)
	}
	if !r.stored("movie.mp4.settings.json") {
		t.Error("the next mount has not stored it")
	}
}

// A second signal ends at once, and so does unmount --now.
func TestSecondSignal(t *testing.T) {
	for name, hurry := range map[string]func(*rig, *exec.Cmd){
		"signal": func(_ *rig, d *exec.Cmd) { d.Process.Signal(syscall.SIGINT) },
		"now":    func(r *rig, _ *exec.Cmd) { r.mcfs("unmount", "--now", r.mountpoint).Run() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			daemon := r.start()
			r.breakWrites(s3test.Fault{Hang: true})
			r.save("movie.mp4", "moving pictures")
			daemon.Process.Signal(syscall.SIGTERM)
			time.Sleep(300 * time.Millisecond)
			begun := time.Now()
			hurry(r, daemon)
			if status := r.ended(daemon, 20*time.Second); status != exitSome {
				t.Errorf("status %d: %s", status, r.log.String())
			}
			if took := time.Since(begun); took > hurryTimeout+3*time.Second {
				t.Errorf("took %v", took)
			}
			if _, there := fs.MountAt(r.mountpoint); there && !mounts.Dead(r.mountpoint) {
				t.Error("still mounted and served")
			}
		})
	}
}

// systemd learns of the mount, and of its end.
func TestNotify(t *testing.T) {
	r := newRig(t)
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	receive := func() string {
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	daemon := r.start("NOTIFY_SOCKET=" + path)
	if got, want := receive(), fmt.Sprintf("READY=1\nMAINPID=%d", daemon.Process.Pid); got != want {
		t.Errorf("at the start: %q, not %q", got, want)
	}
	daemon.Process.Signal(syscall.SIGTERM)
	for _, want := range []string{"STOPPING=1", "EXTEND_TIMEOUT_USEC=60000000"} {
		if got := receive(); got != want {
			t.Errorf("at the end: %q, want %q", got, want)
		}
	}
	if status := r.ended(daemon, 10*time.Second); status != 0 {
		t.Errorf("status %d: %s", status, r.log.String())
	}
}
