package posix

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// lockSteps lets two processes take locks of all kinds on one file, and prints
// what each is told.
const lockSteps = `
import fcntl, os, signal, struct, time
f = os.open("f", os.O_CREAT | os.O_RDWR)
os.write(f, b"x" * 1000)

def told(what, call):
    try:
        call()
        print(what, "granted", flush=True)
    except OSError as e:
        print(what, os.strerror(e.errno), flush=True)

def child(*steps):
    pid = os.fork()
    if pid == 0:
        g = os.open("f", os.O_RDWR)
        for what, call in steps: told("child " + what, lambda: call(g))
        os._exit(0)
    os.waitpid(pid, 0)

EX, SH, NB, UN = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_NB, fcntl.LOCK_UN
told("fcntl first half", lambda: fcntl.lockf(f, EX | NB, 500, 0))
child(("first half", lambda g: fcntl.lockf(g, EX | NB, 500, 0)),
      ("its middle, shared", lambda g: fcntl.lockf(g, SH | NB, 10, 250)),
      ("second half", lambda g: fcntl.lockf(g, EX | NB, 500, 500)),
      ("beyond the end", lambda g: fcntl.lockf(g, EX | NB, 0, 5000)))
told("fcntl shared instead", lambda: fcntl.lockf(f, SH | NB, 500, 0))
child(("first half, shared", lambda g: fcntl.lockf(g, SH | NB, 500, 0)),
      ("first half", lambda g: fcntl.lockf(g, EX | NB, 500, 0)))
told("unlock", lambda: fcntl.lockf(f, UN))
child(("first half", lambda g: fcntl.lockf(g, EX | NB, 500, 0)))
told("flock", lambda: fcntl.flock(f, EX | NB))
child(("flock", lambda g: fcntl.flock(g, EX | NB)),
      ("flock shared", lambda g: fcntl.flock(g, SH | NB)),
      ("fcntl beside flock", lambda g: fcntl.lockf(g, EX | NB)))
told("flock shared instead", lambda: fcntl.flock(f, SH | NB))
child(("flock shared", lambda g: fcntl.flock(g, SH | NB)))
told("unlock", lambda: fcntl.flock(f, UN))

lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
told("lock of the open file", lambda: fcntl.fcntl(f, fcntl.F_OFD_SETLK, lock))
h = os.open("f", os.O_RDWR)
told("the same by another descriptor", lambda: fcntl.fcntl(h, fcntl.F_OFD_SETLK, lock))
os.close(f)
told("when that is closed", lambda: fcntl.fcntl(h, fcntl.F_OFD_SETLK, lock))
os.close(h)

for kind, take in (("fcntl", fcntl.lockf), ("flock", fcntl.flock)):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        g = os.open("f", os.O_RDWR)
        take(g, EX)
        os.write(w, b"x")
        time.sleep(60)
    os.read(r, 1)
    g = os.open("f", os.O_RDWR)
    told(kind + " of what another holds", lambda: take(g, EX | NB))
    signal.signal(signal.SIGALRM, lambda *a: os.kill(pid, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    begun = time.monotonic()
    told(kind + " waits for it", lambda: take(g, EX))
    waited = time.monotonic() - begun
    print("until its holder is killed" if 0.1 < waited < 10 else "for %f s" % waited)
    os.waitpid(pid, 0)
    os.close(g)
`

// TestLocks: fcntl and flock locks are the kernel's own: between two processes
// of one machine they work as on a disk.
func TestLocks(t *testing.T) {
	b := start(t, nil)
	cmd := exec.Command("python3", "-c", lockSteps)
	cmd.Dir = b.plain
	want, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("on a disk: %v\n%s", err, want)
	}
	if got := b.Run("python3", "-c", lockSteps); got != string(want) {
		t.Errorf("in the mount the processes were told\n%s\non a disk\n%s", got, want)
	}
	if n := strings.Count(string(want), "granted"); n < 10 {
		t.Errorf("only %d locks were granted:\n%s", n, want)
	}
	b.finish()
}

// TestStatfs: df, statfs and fstatfs say that there is room, editors ask before
// they save, and say it while neither S3 nor KMS answers (P7).
func TestStatfs(t *testing.T) {
	rig.Need(t, "df")
	b := start(t, nil)
	b.Shell(`mkdir -p d/e; echo x >d/e/f; exec 3<d/e/f; df d/e/f >/dev/null`)
	b.r.S3.Proxy.Hook(func(s3test.Request) s3test.Fault { return s3test.Fault{Hang: true} })
	b.r.KMS.SetLatency(time.Hour)
	before := b.r.S3.Proxy.Count("")
	begun := time.Now()
	out := b.Shell(`df -P . | tail -1; df -i . >/dev/null; stat -f -c '%s %a %d %l' .`) + b.Run("python3", "-c", `
import os
f = os.open(".", os.O_RDONLY)
for s in (os.statvfs("."), os.fstatvfs(f)):
    print(s.f_bavail * s.f_frsize >> 40, s.f_files > 1000000, s.f_favail > 1000000, s.f_namemax, s.f_bsize >= 4096)`)
	if took := time.Since(begun); took > rig.Soon { // the requests hang for ever
		t.Errorf("took %v", took)
	}
	if n := b.r.S3.Proxy.Count(""); n != before {
		t.Errorf("statfs sent %d requests", n-before)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if !strings.HasPrefix(lines[0], "mcfs#") || !strings.HasSuffix(lines[0], b.Dir) || !strings.Contains(lines[0], " 0% ") {
		t.Errorf("df says %q", lines[0])
	}
	for _, line := range lines[2:] {
		if line != "1024 True True 241 True" {
			t.Errorf("statvfs says %q", line)
		}
	}
	b.r.KMS.SetLatency(0)
	b.r.S3.Proxy.Hook(nil)
	b.finish()
}
