package machines

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// prompt is how long what asks for names in a directory may take on a machine that is busy: it
// waits a second for the server, and who waited for an answer would wait for longer than this.
const prompt = 5 * time.Second

// aways are the ways in which a server is not there. over makes it come back.
var aways = map[string]func(r *rig.Rig) (over func()){
	"slow": func(r *rig.Rig) func() {
		r.S3.Proxy.Hook(func(s3test.Request) s3test.Fault { return s3test.Fault{Delay: prompt + 4*time.Second} })
		return func() { r.S3.Proxy.Hook(nil) }
	},
	"frozen": func(r *rig.Rig) func() {
		r.S3.Signal(syscall.SIGSTOP)
		return func() { r.S3.Signal(syscall.SIGCONT) }
	},
	"gone": func(r *rig.Rig) func() {
		r.S3.Stop()
		return r.S3.Restart
	},
}

// TestServerAway: while the server is away, names are changed in a directory, and
// ls of it answers all the same; who waits can be killed; and when the server is
// back all is done, also by the next mount after a kill -9 (P5, P7).
func TestServerAway(t *testing.T) {
	t.Parallel() // most of its time it waits for a server
	rig.Need(t, "bash", "ls", "df", "cat")
	for name, away := range aways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			serverAway(t, name, away)
		})
	}
}

func serverAway(t *testing.T, how string, away func(*rig.Rig) func()) {
	r := rig.New(t, rig.Settings{"mount.fresh": `"1s"`, "upload.timeout": `"20s"`})
	m := &machine{r.Mount("a"), t}
	m.Expect(`level=ERROR.*(close gave up|draft|upload|commit)`)
	m.Shell(`mkdir -p d/sub d/tree/deep d/away; for i in 1 2 3 4 5 6 7 8; do echo $i >d/$i; done; echo t >d/tree/deep/f; ls -lR d; cat d/*[0-9]`)
	r.Settle(20*time.Second, []string{
		"d/", "d/1", "d/2", "d/3", "d/4", "d/5", "d/6", "d/7", "d/8", "d/away/", "d/sub/", "d/tree/", "d/tree/deep/", "d/tree/deep/f",
	})
	time.Sleep(fresh + time.Second) // nothing is fresh any more
	over := away(r)
	begun := time.Now()
	watching, stop := m.watch(prompt)
	m.Shell(`cd d; mv 1 one; mv 2 3; rm 4; mkdir made; rmdir away; mv tree wood; mv 5 sub/; ln -s x link || true
		echo new >made/n~; mv made/n~ made/n; printf changed >6~; mv 6~ 6; chmod 600 7`)
	if took := time.Since(begun); took > 40*time.Second {
		t.Errorf("with the server %s, changes of names took %v", how, took)
	}
	m.killed(`exec cat d/8x`, `exec dd if=/dev/zero of=d/big bs=64k count=8`)
	close(stop)
	watching.Wait()
	m.Kill()
	over()
	if out, err := m.Mcfs(20*time.Second, "unmount", m.Dir); err != nil && !strings.Contains(out, "is unmounted") {
		t.Fatalf("unmount of a dead mount: %v\n%s", err, out)
	}
	again := &machine{m.Again(), t}
	again.Expect(`level=ERROR.*(draft|upload|commit)`)
	want := map[string]string{
		"d": "dir", "d/one": "1\n", "d/3": "2\n", "d/sub": "dir", "d/sub/5": "5\n", "d/made": "dir", "d/made/n": "new\n",
		"d/6": "changed", "d/7": "7\n", "d/8": "8\n", "d/wood": "dir", "d/wood/deep": "dir", "d/wood/deep/f": "t\n",
	}
	again.until(30*time.Second, "show what was changed", func() error {
		got := again.tree()
		delete(got, "d/link")
		delete(got, "d/big")
		for name, text := range want {
			if got[name] != text {
				return fmt.Errorf("%s is %q, want %q; all: %s", name, got[name], text, brief(got))
			}
		}
		if len(got) != len(want) {
			return fmt.Errorf("the mount shows %s", brief(got))
		}
		return nil
	})
	again.Unmount()
	r.Proof()
	if left := r.Uploads(); len(left) > 0 {
		t.Errorf("unfinished uploads: %q", left)
	}
}

// watch lists the directory, again and again, and asks for what needs no server;
// none may take longer than the limit.
func (m *machine) watch(limit time.Duration) (*sync.WaitGroup, chan struct{}) {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for _, script := range []string{`ls d`, `df .`, `stat -c %s d/8`} {
		wg.Go(func() {
			longest := time.Duration(0)
			for {
				select {
				case <-stop:
					m.t.Logf("%s took at most %v", script, longest.Round(time.Millisecond))
					return
				default:
				}
				begun := time.Now()
				cmd := exec.Command("bash", "-c", script)
				cmd.Dir = m.Dir
				out, err := cmd.CombinedOutput()
				took := time.Since(begun)
				longest = max(longest, took)
				if err != nil || took > limit {
					m.t.Errorf("%s took %v: %v\n%s", script, took, err, out)
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	return &wg, stop
}

// killed demands that a process which waits on the mount ends soon after its SIGKILL.
func (m *machine) killed(scripts ...string) {
	m.t.Helper()
	for _, script := range scripts {
		cmd := exec.Command("bash", "-c", strings.ReplaceAll(script, "d/", m.Path("d")+"/"))
		if err := cmd.Start(); err != nil {
			m.t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		_ = cmd.Process.Kill()
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(rig.Soon):
			m.t.Errorf("%s did not end within %v of its SIGKILL", script, rig.Soon)
			m.Kill()
			<-ended
		}
	}
}
