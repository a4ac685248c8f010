package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcfs/fs"
)

// TestUnmountSeenElsewhere: another mount namespace has a copy of the mount that no unmount reaches. The unmount ends all the
// same, and says so; what was saved is in the store, and the mountpoint is free for the next mount.
func TestUnmountSeenElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	daemon := r.start()
	namespace := []string{"--mount", "--propagation=private"}
	if os.Geteuid() != 0 {
		namespace = append(namespace, "--user", "--map-root-user")
	}
	elsewhere := exec.Command("unshare", append(namespace, "sh", "-c", "echo there; exec sleep 600")...)
	out, err := elsewhere.StdoutPipe()
	if err == nil {
		err = elsewhere.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		elsewhere.Process.Kill()
		elsewhere.Wait()
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "there\n" {
		t.Fatalf("unshare: %q, %v", line, err)
	}
	r.save("film", "text")
	unmount := r.mcfs("unmount", r.mountpoint)
	var said strings.Builder
	unmount.Stderr = &said
	if err := unmount.Start(); err != nil {
		t.Fatal(err)
	}
	if status := r.ended(unmount, time.Minute); status != 0 {
		t.Errorf("unmount: status %d: %s", status, said.String())
	}
	if status := r.ended(daemon, time.Minute); status != 0 {
		t.Errorf("daemon: status %d", status)
	}
	if !strings.Contains(r.log.String(), "another mount namespace") {
		t.Errorf("the log does not say why it took so long: %s", r.log.String())
	}
	if !r.stored("film.settings.json") {
		t.Error("it is not in the store")
	}
	if m, there := fs.MountAt(r.mountpoint); there {
		t.Fatalf("%v is still mounted", m)
	}
	r.start()
	if text, err := os.ReadFile(filepath.Join(r.mountpoint, "film")); err != nil || string(text) != "text" {
		t.Errorf("in the next mount: %q, %v", text, err)
	}
}
