package gateway

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
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

// The users of the gateway: who connects, and who owns what is in the volume. Debian has them.
const login, password, owner = "daemon", "secret", "games"

//go:embed testdata/client.py
var clientPy string

// gateway is a smbd of its own, for a mount.
type gateway struct {
	t    *testing.T
	dir  string // with its configuration, state and log
	conf string
	port string

	smbtorture string // the program, where a test has asked for it
}

// mount mounts a volume as the unit of docs/samba.md does: for all users, with all that is in it the owner's.
func mount(t *testing.T, s rig.Settings) (*rig.Rig, *rig.Mount) {
	t.Helper()
	settings := rig.Settings{"mount.allow_other": "true", "mount.grace": `"1h"`}
	maps.Copy(settings, s)
	r := rig.New(t, settings)
	r.Before = []string{"sh", "-c", `exec "$0" "$@" -o uid=$(id -u ` + owner + `),gid=$(id -g ` + owner + `)`}
	// The owner of the files goes through the folders of the test to them.
	for dir := r.Dir; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return r, r.Mount("warm")
}

// serve starts smbd with the configuration of deploy/samba, in which only places and users are
// others, and lines are added; shares of plain folders are added by name.
func serve(t *testing.T, m *rig.Mount, lines string, plain map[string]string) *gateway {
	t.Helper()
	rig.Need(t, "smbclient", "mountpoint")
	g := &gateway{t: t, dir: t.TempDir()}
	g.conf, g.port = filepath.Join(g.dir, "smb.conf"), freePort(t)
	g.configure(m.Dir, lines, plain)
	enroll := exec.Command(program(t, "pdbedit"), "-s", g.conf, "-a", "-t", "-u", login)
	enroll.Stdin = strings.NewReader(password + "\n" + password + "\n")
	if out, err := enroll.CombinedOutput(); err != nil {
		t.Fatalf("pdbedit: %v\n%s", err, out)
	}
	g.start()
	return g
}

// configure writes the configuration.
func (g *gateway) configure(dir, lines string, plain map[string]string) {
	g.t.Helper()
	shipped, err := os.ReadFile("../../deploy/samba/smb.conf")
	if err != nil {
		g.t.Fatal(err)
	}
	global := "[global]\ninterfaces = lo\nbind interfaces only = yes\n" + lines
	for _, place := range []string{"lock directory", "state directory", "cache directory", "pid directory", "private dir"} {
		global += place + " = " + g.dir + "\n"
	}
	global += "ncalrpc dir = " + g.dir + "/ncalrpc\nlog file = " + g.dir + "/log\n"
	text := string(shipped)
	for old, new := range map[string]string{
		"[global]\n": global, "/mnt/ingest\n": dir + "\n", "= @ingest\n": "= " + login + "\n",
		"force user = ingest\n": "force user = " + owner + "\n", "force group = ingest\n": "force group = " + owner + "\n",
	} {
		if !strings.Contains(text, old) {
			g.t.Fatalf("deploy/samba/smb.conf has no %q", old)
		}
		text = strings.ReplaceAll(text, old, new)
	}
	_, share, _ := strings.Cut(text, "\n[ingest]\n")
	for name, path := range plain {
		text += "\n[" + name + "]\n" + strings.NewReplacer(dir+"\n", path+"\n", "root preexec = ", "comment = ").Replace(share)
	}
	if err := os.WriteFile(g.conf, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// start runs smbd until the test ends, and waits until it answers.
func (g *gateway) start() {
	g.t.Helper()
	cmd := exec.Command(program(g.t, "smbd"), "-F", "--no-process-group", "-s", g.conf, "-p", g.port)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait() // its status is that of a signal
		for deadline := time.Now().Add(rig.Limit); !errors.Is(syscall.Kill(-cmd.Process.Pid, 0), syscall.ESRCH); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				g.t.Error("processes of the server do not end")
				return
			}
		}
		if g.t.Failed() {
			g.t.Logf("the log of smbd:\n%s", g.log())
		}
	})
	for deadline := time.Now().Add(rig.Limit); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+g.port)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("the server does not answer: %v\n%s", err, g.log())
		}
	}
}

// log is what the server has said.
func (g *gateway) log() string {
	text, err := os.ReadFile(filepath.Join(g.dir, "log"))
	if err != nil {
		g.t.Error(err)
	}
	return string(text)
}

// mac has a client of Finder's requests do the steps, in Python, which must succeed: what they print.
func (g *gateway) mac(steps string, args ...string) string {
	g.t.Helper()
	// Debian's own, of which the packages are: another may come first in PATH.
	line := append([]string{"300", "/usr/bin/python3", "-c", clientPy + steps, g.port, "ingest", login, password}, args...)
	out, err := exec.Command("timeout", line...).CombinedOutput()
	if err != nil {
		g.t.Fatalf("client: %v\n%s", err, out)
	}
	return string(out)
}

// smbclient runs commands of Samba's own client, with flags before them: what it prints, and how it ended.
func (g *gateway) smbclient(commands string, flags ...string) (string, error) {
	g.t.Helper()
	line := append([]string{"300", "smbclient", "-s", g.conf, "-p", g.port, "-U", login + "%" + password}, flags...)
	out, err := exec.Command("timeout", append(line, "//127.0.0.1/ingest", "-c", commands)...).CombinedOutput()
	return string(out), err
}

// program is the system's, or the one that "make packages" has fetched.
func program(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath(filepath.Join(cache, "mcfs-test", "samba", name))
	if err != nil {
		t.Fatalf("%s is not there: run make packages: %v", name, err)
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

// client runs commands of smbclient's, which must succeed.
func (g *gateway) client(commands string) {
	g.t.Helper()
	if out, err := g.smbclient(commands); err != nil || strings.Contains(out, "NT_STATUS") {
		g.t.Errorf("%s: %v\n%s", commands, err, out)
	}
}
