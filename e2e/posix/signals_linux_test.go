package posix

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// deadly are signals that end a process which does nothing about them; the
// first ones dump core, where that is allowed.
var deadly = []syscall.Signal{
	syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGHUP, syscall.SIGINT,
	syscall.SIGKILL, syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTERM, syscall.SIGUSR1,
}

// victim writes argv[2] bytes to argv[1], says so, and then closes it at once
// if argv[3] says "close", else when it is told to.
const victim = `
import os, resource, signal, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for s in range(1, 32):
    if s not in (signal.SIGKILL, signal.SIGSTOP): signal.signal(s, signal.SIG_DFL)
f = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
for i in range(int(sys.argv[2]) // 65536): os.write(f, b"%08d" % i * 8192)
print("written", flush=True)
if sys.argv[3] != "close": sys.stdin.readline()
os.close(f)
print("closed", flush=True)
sys.stdin.readline()
`

// writer is a running victim.
type writer struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	said  *bufio.Reader
}

func (b *bench) write(t *testing.T, name string, size int, how string) *writer {
	t.Helper()
	w := &writer{t: t, cmd: exec.Command("python3", "-c", victim, name, fmt.Sprint(size), how)}
	w.cmd.Dir, w.cmd.Stderr = b.Dir, os.Stderr
	stdin, err := w.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.stdin, w.said = stdin, bufio.NewReader(stdout)
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.hears("written")
	return w
}

func (w *writer) hears(want string) {
	w.t.Helper()
	if line, err := w.said.ReadString('\n'); err != nil || strings.TrimSpace(line) != want {
		w.t.Fatalf("the writer said %q, not %q: %v", line, want, err)
	}
}

// kill sends the signal, of which the writer must die soon, whatever it waits for.
func (w *writer) kill(s syscall.Signal) {
	w.t.Helper()
	if err := w.cmd.Process.Signal(s); err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- w.cmd.Wait() }() // ends with the process
	select {
	case <-done:
	case <-time.After(rig.Soon):
		w.t.Fatalf("%v does not end the writer", s)
	}
	if status := w.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != s {
		w.t.Errorf("the writer ended with %v, not by %v", status, s)
	}
}

// victimSize is that of a file that is uploaded in parts.
const victimSize = part + mib

// longSize is that of a file whose first parts leave while it is written.
const longSize = 8 * part

// TestKilledWriter kills writers by every deadly signal, before their close and
// in it while the store is slow: nothing of theirs is published, what they wrote
// stays in the mount, and is uploaded once when it is written and closed again.
func TestKilledWriter(t *testing.T) {
	t.Parallel()
	b := start(t, rig.Settings{"upload.timeout": `"30s"`})
	var names []string
	for _, s := range deadly {
		names = append(names, fmt.Sprintf("before-%d", s), fmt.Sprintf("during-%d", s))
	}
	t.Run("before", func(t *testing.T) {
		for _, s := range deadly {
			b.write(t, fmt.Sprintf("before-%d", s), victimSize, "wait").kill(s)
		}
		w := b.write(t, "long", longSize, "wait")
		b.r.S3.Proxy.Wait(t, "UploadPart", 1)
		w.kill(syscall.SIGTERM)
	})
	t.Run("during", func(t *testing.T) {
		b.r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
			if q.Op != "UploadPart" {
				return s3test.Fault{}
			}
			return s3test.Fault{Delay: 20 * time.Second}
		})
		defer b.r.S3.Proxy.Hook(nil)
		before := b.r.S3.Proxy.Count("UploadPart")
		for i, s := range deadly {
			w := b.write(t, fmt.Sprintf("during-%d", s), victimSize, "close")
			b.r.S3.Proxy.Wait(t, "UploadPart", before+2*i+1)
			w.kill(s)
		}
	})
	b.r.Settle(settleLimit, nil) // and no upload is left unfinished
	b.Unmount()
	b.Mount = b.Again()
	b.r.Settle(settleLimit, nil)
	for name, w := range b.r.Writes() {
		if w["PutObject"]+w["CompleteMultipartUpload"] > 0 && name != "warm" && name != "warm"+rig.SidecarSuffix {
			t.Errorf("%s of a killed writer was published: %v", name, w)
		}
	}
	whole := strings.Fields(b.Shell(`python3 -c 'import hashlib; print(hashlib.sha256(b"".join(b"%08d" % i * 8192 for i in range(` +
		fmt.Sprint(victimSize/65536) + `))).hexdigest())'`))[0]
	for _, name := range names {
		if got := b.Hash(name); got != whole {
			t.Errorf("%s reads %.12s in the mount, not what its writer wrote", name, got)
		}
	}
	b.Shell(`for f in before-* during-* long; do printf more >>$f; done`)
	names = append(names, "long")
	b.r.Settle(settleLimit, names)
	for _, name := range names {
		if n := b.uploads(name); n != 1 {
			t.Errorf("%s was uploaded %d times", name, n)
		}
	}
	sums := b.r.Proof()
	for _, name := range names {
		if sums[name] != b.Hash(name) {
			t.Errorf("the store has %s as %.12s", name, sums[name])
		}
	}
	b.finish()
}

// TestSignalsThatDoNotKill: a signal that the writer ignores or handles, or that
// stops it, changes nothing for a close that waits.
func TestSignalsThatDoNotKill(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
		if q.Op == "PutObject" && strings.HasSuffix(q.Path, "/f") {
			return s3test.Fault{Delay: time.Second}
		}
		return s3test.Fault{}
	})
	w := b.write(t, "f", 65536, "close")
	b.r.S3.Proxy.Wait(t, "PutObject", 1)
	for _, s := range []syscall.Signal{syscall.SIGCHLD, syscall.SIGURG, syscall.SIGWINCH, syscall.SIGSTOP, syscall.SIGCONT} {
		if err := w.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.hears("closed")
	b.r.S3.Proxy.Hook(nil)
	b.r.Settle(time.Second, []string{"f"})
	if n := b.uploads("f"); n != 1 {
		t.Errorf("f was uploaded %d times", n)
	}
	if err := w.stdin.Close(); err != nil {
		t.Error(err)
	}
	if err := w.cmd.Wait(); err != nil {
		t.Errorf("the writer: %v", err)
	}
	b.finish()
}

// TestTwoWritersOneKilled: who closes in order is not kept waiting for one who
// was killed, and the file is published as it is then.
func TestTwoWritersOneKilled(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	other := b.write(t, "f", 65536, "wait")
	b.write(t, "f", 65536, "wait").kill(syscall.SIGKILL)
	if _, err := io.WriteString(other.stdin, "close\n"); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	other.hears("closed")
	if took := time.Since(begun); took > rig.Soon {
		t.Errorf("close took %v", took)
	}
	b.r.Settle(time.Second, []string{"f"})
	other.stdin.Close()
	if err := other.cmd.Wait(); err != nil {
		t.Errorf("the writer: %v", err)
	}
	b.finish()
}
