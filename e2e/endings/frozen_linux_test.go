package endings

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// timeout is that of requests to S3, and soon less than whoever waits for one would take: that, or the
// ten seconds after which P7 ends the wait for a name of which nothing is known.
const (
	timeout = 15 * time.Second
	soon    = 8 * time.Second
)

// stuck are programs that wait for a server that does not answer, the most patient first. Each
// says when it is about to.
var stuck = []struct{ name, script string }{
	{"close", `exec 3>new; echo text >&3; echo waits; exec 3>&-`},
	{"read", `exec 3<cold; echo waits; cat <&3`},
	{"read of a mapping", `exec python3 -c 'import mmap, os; f = os.open("mapped", os.O_RDONLY); m = mmap.mmap(f, 0, prot=mmap.PROT_READ); print("waits", flush=True); m[0]'`},
	{"change of a committed file", `exec 3<>changed; echo waits; printf x >&3; exec 3>&-`},
	{"copy", `echo waits; cp copied copy`},
	{"sync", `exec 3>synced; echo text >&3; echo waits; sync synced; exec 3>&-`},
	{"list of an unknown directory", `echo waits; ls far`},
	{"lookup of an unknown name", `echo waits; cat far/f`},
}

// TestFrozenStore freezes S3: what needs no answer of it is quick, whatever
// waits can be killed, unmount gives up, says what is left, and the next mount
// finishes it.
func TestFrozenStore(t *testing.T) {
	t.Parallel()
	rig.Need(t, "bash", "python3", "df", "dd")
	r := rig.New(t, rig.Settings{"upload.timeout": fmt.Sprintf("%q", timeout), "mount.fresh": `"5m"`})
	first := r.Mount("first")
	first.Shell(`mkdir near far; for f in cold mapped changed copied near/f near/g near/h far/f; do seq 20000 >$f; done`)
	first.Unmount()
	m := r.Mount("second") // which has nothing of it in its spool
	m.Expect(`level=ERROR`)
	m.Shell(`ls -l . near; cat near/f >/dev/null`)
	r.S3.Signal(syscall.SIGSTOP)
	for _, script := range []string{
		`df . >/dev/null`, `ls -l . near`, `cat near/f >/dev/null`, `stat near/g`,
		`mv near/g near/moved; rm near/h; mkdir made; ln -s x made/l; chmod 600 near/f; touch near/f; ls -l near made`,
	} {
		begun := time.Now()
		m.Shell(script)
		if took := time.Since(begun); took > soon {
			t.Errorf("with S3 frozen, %q took %v", script, took)
		}
	}
	kept := writeSoon(t, m)
	killAll(t, m)
	begun := time.Now()
	out, err := m.UnmountFails()
	if took := time.Since(begun); rig.Status(err) != 1 || took < soon || took > 3*timeout {
		t.Errorf("unmount with S3 frozen: %v after %v\n%s", err, took, out)
	}
	for _, name := range []string{"kept", "near/g (rename)", "made"} {
		if !strings.Contains(out, name) {
			t.Errorf("it does not name %s:\n%s", name, out)
		}
	}
	r.S3.Signal(syscall.SIGCONT)
	again := m.Again()
	if got := again.Run("cat", "kept"); got != kept {
		t.Errorf("kept reads %d bytes, not %d", len(got), len(kept))
	}
	again.Shell(`rm -f new synced copy; ls -R`) // of the killed
	// Also the uploads go that S3 began only when it woke, and whose names nobody was told.
	r.Settle(time.Minute, []string{"near/", "far/", "made/", "cold", "mapped", "changed", "copied", "near/f", "near/moved", "far/f", "kept"}, "made/l")
	again.Unmount()
	r.Proof()
}

// writeSoon writes a file and fsyncs it; its close has to fail.
func writeSoon(t *testing.T, m *rig.Mount) string {
	t.Helper()
	text := strings.Repeat("written while S3 is frozen\n", 200_000)
	var f *os.File
	begun := time.Now()
	m.Within(rig.Limit, "create, write, fsync", func() (err error) {
		if f, err = os.Create(m.Path("kept")); err != nil {
			return err
		}
		if _, err = f.WriteString(text); err != nil {
			return err
		}
		return f.Sync()
	})
	if took := time.Since(begun); took > soon {
		t.Errorf("with S3 frozen, a write took %v", took)
	}
	begun = time.Now()
	m.Within(rig.Limit, "close", func() error {
		if err := f.Close(); err == nil || !strings.Contains(err.Error(), "input/output error") {
			return fmt.Errorf("with S3 frozen it returned %v, not EIO", err)
		}
		return nil
	})
	if took := time.Since(begun); took > timeout+rig.Soon {
		t.Errorf("with S3 frozen, close took %v; upload.timeout is %v", took, timeout)
	}
	return text
}

// killAll starts what must wait, and kills it, the last first: of a name of which nothing is known
// nobody waits for longer than ten seconds.
func killAll(t *testing.T, m *rig.Mount) {
	t.Helper()
	var running []*exec.Cmd
	for _, s := range stuck {
		cmd := exec.Command("bash", "-euc", s.script)
		cmd.Dir, cmd.Env = m.Dir, append(os.Environ(), "LC_ALL=C")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		said, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		m.Within(20*time.Second, s.name, func() error {
			if line, err := bufio.NewReader(said).ReadString('\n'); line != "waits\n" {
				return fmt.Errorf("it said %q: %v", line, err)
			}
			return nil
		})
		running = append(running, cmd)
	}
	time.Sleep(300 * time.Millisecond) // for the last one to come where it waits
	for i, cmd := range slices.Backward(running) {
		begun := time.Now()
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
			t.Errorf("%s did not wait: %v", stuck[i].name, err)
		}
		m.Within(30*time.Second, "kill -9 of "+stuck[i].name, func() error { _ = cmd.Wait(); return nil })
		if took := time.Since(begun); took > soon {
			t.Errorf("kill -9 of %s took %v", stuck[i].name, took)
		}
		if !cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
			t.Errorf("%s did not wait: %v", stuck[i].name, cmd.ProcessState)
		}
	}
}
