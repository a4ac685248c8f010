package fs

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// roles are what this test binary does instead of testing when it is run again:
// the daemons, so that no test lives in the process that serves its files, and
// programs that use the mount.
var roles = make(map[string]func(args []string))

const roleVariable = "MCFS_FS_TEST_ROLE"

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		// A daemon whose test was killed still has to unmount, though nobody reads what it says.
		signal.Ignore(syscall.SIGPIPE)
		role(os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// again is a command that runs this binary in a role.
func again(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, "GORACE=atexit_sleep_ms=50") // not a second at its end
	cmd.Stderr = os.Stderr
	return cmd
}

// daemon is a process that serves a mount, and says what happens in lines of JSON.
type daemon struct {
	mountpoint string
	stdin      io.WriteCloser // its end ends the daemon

	mu     sync.Mutex
	events []event
	more   chan struct{} // closed and renewed with each event
	gone   chan struct{}
}

type event struct {
	What string // "mounted" comes first
	Name string
	Fate string
	Text string
	Code int
}

// say is the daemon's side.
func say(e event) {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(data, '\n')) // one write, so that lines do not mix
}

// startDaemon runs a role that mounts at its first argument, and waits for it.
func startDaemon(t *testing.T, role string, args ...string) *daemon {
	t.Helper()
	mountpoint := filepath.Join(t.TempDir(), "m")
	if err := os.Chmod(filepath.Dir(filepath.Dir(mountpoint)), 0o755); err != nil { // let others through
		t.Fatal(err)
	}
	if err := os.Mkdir(mountpoint, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := again(t, role, append([]string{mountpoint}, args...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &daemon{mountpoint: mountpoint, stdin: stdin, more: make(chan struct{}), gone: make(chan struct{})}
	go d.listen(stdout)
	t.Cleanup(func() {
		stdin.Close()
		select {
		case <-d.gone:
		case <-time.After(20 * time.Second):
			t.Error("the daemon does not end")
			cmd.Process.Kill()
			<-d.gone
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the daemon: %v", err)
		}
	})
	d.await(t, "the mount", func(e event) bool { return e.What == "mounted" })
	return d
}

func (d *daemon) listen(stdout io.Reader) {
	defer close(d.gone)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			e = event{What: "noise", Text: lines.Text()}
		}
		d.mu.Lock()
		d.events = append(d.events, e)
		close(d.more)
		d.more = make(chan struct{})
		d.mu.Unlock()
	}
}

// await gives the first event for which is holds, past ones included.
func (d *daemon) await(t *testing.T, what string, is func(event) bool) event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		d.mu.Lock()
		events, more := d.events, d.more
		d.mu.Unlock()
		for _, e := range events {
			if is(e) {
				return e
			}
		}
		select {
		case <-more:
		case <-d.gone:
			t.Fatalf("the daemon ended before %s; it said %+v", what, events)
		case <-ctx.Done():
			t.Fatalf("no %s; the daemon said %+v", what, events)
		}
	}
}
