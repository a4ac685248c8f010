package endings

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// ends are the signals that end a mount.
var ends = []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}

// pending is a volume with files that are safe in the spool and not in S3,
// which takes nothing until the gate is closed.
func pending(t *testing.T) (r *rig.Rig, m *rig.Mount, gate chan struct{}) {
	t.Helper()
	gate = make(chan struct{})
	rig.Need(t, "bash")
	r = rig.New(t, rig.Settings{"mount.durability": `"spool"`, "upload.timeout": `"20s"`})
	m = r.Mount("a")
	m.Shell(`echo old >renamed; echo old >removed; echo old >rewritten; ln -s x link`)
	r.Settle(time.Minute, []string{"renamed", "removed", "rewritten"}, "link")
	r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
		if q.Method == http.MethodGet || q.Method == http.MethodHead {
			return s3test.Fault{}
		}
		return s3test.Fault{Gate: gate}
	})
	m.Shell(`seq 500000 >saved; echo new >rewritten; mkdir d; mv renamed d/renamed; rm removed; mv link d/link; chmod 600 rewritten`)
	return r, m, gate
}

// arrived demands that S3 has all of pending.
func arrived(t *testing.T, r *rig.Rig) {
	t.Helper()
	r.Settle(time.Minute, []string{"saved", "rewritten", "d/", "d/renamed"}, "d/link")
	r.Proof()
}

// TestSignalDrains: one signal, of whichever kind, finishes what is pending.
func TestSignalDrains(t *testing.T) {
	for _, s := range ends {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			r, m, gate := pending(t)
			m.Signal(s)
			m.Within(20*time.Second, "the daemon's progress", func() error {
				for len(m.LogLines("waiting for 2 files", "changes")) == 0 {
					time.Sleep(10 * time.Millisecond)
				}
				return nil
			})
			if _, err := os.Create(m.Path("late")); err == nil {
				t.Error("a file could be created while the mount was ending")
			}
			close(gate)
			if err := m.End(time.Minute); err != nil {
				t.Errorf("the daemon ended with %v", err)
			}
			arrived(t, r)
		})
	}
}

// TestSecondSignalLosesNothing: the second signal ends the mount at once, and
// the next mount has all that close promised, and finishes it.
func TestSecondSignalLosesNothing(t *testing.T) {
	for _, s := range ends {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			r, m, gate := pending(t)
			var f *os.File
			m.Within(time.Minute, "write and fsync", func() (err error) {
				if f, err = os.Create(m.Path("open")); err == nil {
					_, err = fmt.Fprint(f, "fsynced")
				}
				if err != nil {
					return err
				}
				return f.Sync()
			})
			defer f.Close()
			m.Signal(syscall.SIGTERM)
			m.Within(20*time.Second, "the first signal", func() error {
				for len(m.LogLines("a second signal ends at once")) == 0 {
					time.Sleep(time.Millisecond)
				}
				return nil
			})
			begun := time.Now()
			m.Signal(s)
			err := m.End(30 * time.Second)
			if took := time.Since(begun); took > rig.Soon {
				t.Errorf("it ended %v after the second signal", took)
			}
			if rig.Status(err) != 3 || !strings.Contains(m.Log(), "kept in the spool") || !strings.Contains(m.Log(), "saved") {
				t.Errorf("it ended with %v and does not say what is left", err)
			}
			if keys := strings.Join(r.Keys(), " "); strings.Contains(keys, "saved") || !strings.Contains(keys, "camera-a/renamed ") {
				t.Errorf("S3 took something: %s", keys)
			}
			r.S3.Proxy.Hook(nil)
			close(gate)
			again := m.Again()
			if got := again.Shell(`tail -n 1 saved; cat rewritten d/renamed open; readlink d/link; ls removed renamed link 2>/dev/null || true; stat -c %a rewritten`); got != "500000\nnew\nold\nfsyncedx\n600\n" {
				t.Errorf("the next mount shows %q", got)
			}
			again.Shell(`rm open`)
			again.Unmount()
			arrived(t, r)
		})
	}
}

// TestLogout: a daemon in the foreground drains when its terminal is gone; one
// in the background goes on.
func TestLogout(t *testing.T) {
	rig.Need(t, "python3")
	r := rig.New(t, nil)
	m := r.Mount("a")
	m.Shell(`echo text >f`)
	m.Unmount()
	for _, c := range []struct {
		how  string
		stay bool
	}{{"", false}, {"--background", true}} {
		// A session of its own, with a terminal that goes away once it has mounted.
		out, err := m.Terminal(time.Minute, session, c.how)
		if err != nil {
			t.Fatalf("%q: %v\n%s", c.how, err, out)
		}
		if c.stay {
			if got := m.Run("cat", "f"); got != "text\n" {
				t.Errorf("after the logout f reads %q", got)
			}
			if out, err := m.Mcfs(time.Minute, "unmount", m.Dir); err != nil {
				t.Errorf("unmount: %v: %s", err, out)
			}
			continue
		}
		m.Within(time.Minute, "the end of the mount", func() error {
			for {
				if _, err := os.Stat(m.Path("f")); os.IsNotExist(err) {
					return nil
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
}

// session runs its arguments on a terminal, waits until the first of them is a
// mount that shows f, and hangs up: after the program has ended, if it is to
// leave a mount in the background, else it ends when the program has.
const session = `
import os, pty, sys, time
mnt, line = sys.argv[1], [a for a in sys.argv[2:] if a]
pid, terminal = pty.fork()
if pid == 0: os.execv(line[0], line)
def ended(): return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
status = ended() if "--background" in line else None
while not os.path.exists(mnt + "/f"): time.sleep(0.01)
os.close(terminal)
sys.exit(ended() if status is None else status)
`

// TestSuspend stops the daemon in the middle of an upload, as a suspended
// machine does, for longer than any deadline, while its connections are cut.
func TestSuspend(t *testing.T) {
	t.Parallel()
	rig.Need(t, "bash")
	r := rig.New(t, rig.Settings{"upload.timeout": `"3s"`})
	m := r.Mount("a")
	m.Expect(`level=ERROR.*(draft|upload|commit|close)`)
	m.Shell(`echo before >before; echo other >other`)
	r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
		if q.Op == "UploadPart" {
			return s3test.Fault{Delay: time.Second}
		}
		return s3test.Fault{}
	})
	copied := make(chan error, 1)
	go func() { // ends at the latest with the mount
		_, err := m.TryShell(rig.Limit, `seq 4000000 >large`)
		copied <- err
	}()
	r.S3.Proxy.Wait(t, "UploadPart", 2)
	m.Signal(syscall.SIGSTOP)
	r.S3.Stop()
	time.Sleep(4 * time.Second) // longer than upload.timeout
	r.S3.Restart()
	r.S3.Proxy.Reset()
	m.Signal(syscall.SIGCONT)
	m.Shell(`cat before; mv other renamed; echo after >after`)
	m.Within(rig.Limit, "the copy", func() error {
		if err := <-copied; err != nil {
			t.Logf("close said that it gave up: %v", err) // and the upload goes on
		}
		return nil
	})
	r.Settle(time.Minute, []string{"before", "renamed", "after", "large"})
	if got := m.Run("tail", "-n", "1", "large"); got != "4000000\n" {
		t.Errorf("large ends with %q", got)
	}
	m.Unmount()
	r.Proof()
}

// TestKillBetweenFileAndJournal: a sealed file was synced, and the journal was not any
// more. The kernel was told the journal's size; a program that reads the file gets
// all of it nevertheless, no less, and no zeros behind its end.
func TestKillBetweenFileAndJournal(t *testing.T) {
	rig.Need(t, "bash", "stat", "cat", "truncate")
	for _, then := range []string{`echo "and more" >>f~`, `truncate -s 3 f~`} {
		t.Run(then, func(t *testing.T) {
			r := rig.New(t, nil)
			m := r.Mount("a")
			m.Shell(`echo content >f~`)
			journal := filepath.Join(r.Spool("a"), "journal", "log")
			before, err := os.ReadFile(journal)
			if err != nil {
				t.Fatal(err)
			}
			m.Shell(then)
			want := m.Shell(`cat f~`)
			m.Kill()
			m.Bury()
			if err := os.WriteFile(journal, before, 0o600); err != nil {
				t.Fatal(err)
			}
			m = m.Again()
			if got := m.Shell(`stat -c %s f~`); got != "8\n" {
				t.Errorf("the journal says that it has %q bytes", got)
			}
			if got := m.Shell(`cat f~`); got != want {
				t.Errorf("it reads as %q, not %q", got, want)
			}
			if got := m.Shell(`stat -c %s f~`); got != fmt.Sprintln(len(want)) {
				t.Errorf("%d bytes were read, and stat says %q", len(want), got)
			}
			m.Unmount()
		})
	}
}
