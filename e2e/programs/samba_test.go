package programs

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// TestSamba has smbd serve the mount, and a client put, get, rename and remove files there.
// Each is in S3 when it was put, whatever its extension and though it is its owner's alone.
func TestSamba(t *testing.T) {
	t.Parallel()
	rig.Need(t, "smbclient", "cmp")
	r := rig.New(t, rig.Settings{"mount.grace": `"1h"`})
	m := r.Mount("warm")
	dir := t.TempDir()
	if out, err := exec.Command("bash", "-euc", `cd "$1"; head -c 6000000 /dev/urandom >film.mp4; echo notes >notes`, "bash", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	client, end := serveSMB(t, m)
	client("lcd " + dir + `; put film.mp4; put film.mp4 cut.prproj; put notes x.fcpxml; put notes travel-journal; put notes notes~; put film.mp4 film.mp4.backup` +
		`; mkdir d; put notes d/a.txt; put notes d/b.sqlite; mkdir e; mkdir e/f; put notes e/n; put film.mp4 e/f/film.mp4`)
	put := []string{"film.mp4", "cut.prproj", "x.fcpxml", "travel-journal", "notes~", "film.mp4.backup", "d/", "d/a.txt", "d/b.sqlite"}
	r.Settle(30*time.Second, append(put, "e/", "e/n", "e/f/", "e/f/film.mp4"))
	client("put " + dir + "/notes x.fcpxml; rename film.mp4 new.mp4; rename d dd; rename dd/a.txt dd/c.txt; rename notes~ kept; deltree e")
	client("lcd " + dir + "; get new.mp4 out.mp4; mkdir got; prompt OFF; recurse ON; lcd " + dir + "; mget dd")
	if out, err := exec.Command("bash", "-euc", `cd "$1"; cmp out.mp4 film.mp4; cmp dd/c.txt notes; cmp dd/b.sqlite notes`, "bash", dir).CombinedOutput(); err != nil {
		t.Errorf("what was fetched differs: %v: %s", err, out)
	}
	left := []string{"new.mp4", "cut.prproj", "x.fcpxml", "travel-journal", "kept", "film.mp4.backup", "dd/", "dd/c.txt", "dd/b.sqlite", "got/"}
	r.Settle(30*time.Second, left)
	for _, name := range left {
		if !strings.HasSuffix(name, "/") {
			if mode := strings.TrimSpace(m.Run("stat", "-c", "%a", name)); mode != "700" && mode != "600" {
				t.Errorf("%s has mode %s", name, mode)
			}
		}
	}
	end()
	m.Unmount()
	cold := r.Mount("cold")
	r.Truth(cold)
	cold.Unmount()
}

const smbConf = `[global]
server role = standalone server
interfaces = 127.0.0.1
bind interfaces only = yes
lock directory = $D
state directory = $D
cache directory = $D
pid directory = $D
private dir = $D
ncalrpc dir = $D/ncalrpc
log file = $D/log
map to guest = Bad User
guest account = root
disable spoolss = yes
load printers = no
[share]
path = $M
read only = no
guest ok = yes
force user = root
create mask = 0700
`

// serveSMB starts a server of its own for the mount: client runs commands of smbclient's
// there, which must succeed, and end stops the server.
func serveSMB(t *testing.T, m *rig.Mount) (client func(commands string), end func()) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "smb.conf")
	if err := os.WriteFile(conf, []byte(strings.NewReplacer("$D", dir, "$M", m.Dir).Replace(smbConf)), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	cmd := exec.Command(findSMBD(t), "-F", "--no-process-group", "-s", conf, "-p", port)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait() // its status is that of a signal
		for deadline := time.Now().Add(rig.Limit); !errors.Is(syscall.Kill(-cmd.Process.Pid, 0), syscall.ESRCH); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("processes of the server do not end")
			}
		}
	}
	t.Cleanup(end)
	for deadline := time.Now().Add(rig.Limit); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
			break
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("the server does not answer: %v\n%s", err, log)
		}
	}
	return func(commands string) {
		t.Helper()
		cmd := exec.Command("timeout", "120", "smbclient", "-N", "-s", conf, "-p", port, "//127.0.0.1/share", "-c", commands)
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "NT_STATUS") {
			t.Errorf("%s: %v\n%s", commands, err, out)
		}
	}, end
}

// findSMBD is the system's server, or the one that "make packages" has fetched.
func findSMBD(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("smbd"); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath(filepath.Join(cache, "mcfs-test", "samba", "smbd"))
	if err != nil {
		t.Fatalf("smbd is not there: run make packages: %v", err)
	}
	return path
}

// freePort is one that nobody has.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}
