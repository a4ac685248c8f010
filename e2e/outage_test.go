package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// TestStoreDown freezes S3: what can be answered from memory is (P7), close
// fails after its deadline, and the draft leaves by itself when S3 is back (P4).
func TestStoreDown(t *testing.T) {
	t.Parallel()
	rig.Need(t, "bash", "df", "dd")
	const timeout, prompt = 10 * time.Second, 7 * time.Second // who waited for S3 would wait for the one, and the other is enough on a busy machine
	r := rig.New(t, rig.Settings{"upload.timeout": fmt.Sprintf("%q", timeout), "mount.fresh": `"1m"`})
	m := r.Mount("a")
	m.Expect(`level=ERROR.*(draft|upload|commit)`)
	m.Shell(`mkdir d; echo before >d/before; ls -l . d; cat d/before`)
	r.Settle(20*time.Second, []string{"d/", "d/before"})
	r.S3.Signal(syscall.SIGSTOP)
	quick := func(script string) {
		t.Helper()
		begun := time.Now()
		m.Shell(script)
		if took := time.Since(begun); took > prompt {
			t.Errorf("with S3 frozen, %q took %v", script, took)
		}
	}
	quick(`df .`)
	quick(`ls d`)
	quick(`ls -l d`)
	quick(`cat d/before`)
	var f *os.File
	text := []byte(strings.Repeat("written while S3 is down\n", 50_000))
	m.Within(prompt, "create and write", func() (err error) {
		if f, err = os.Create(m.Path("during")); err != nil {
			return err
		}
		_, err = f.Write(text)
		return err
	})
	begun := time.Now()
	m.Within(40*time.Second, "close", func() error {
		if err := f.Close(); err == nil || !strings.Contains(err.Error(), "input/output error") {
			return fmt.Errorf("with S3 frozen close returned %v, not EIO", err)
		}
		return nil
	})
	if took := time.Since(begun); took < timeout-time.Second || took > timeout+rig.Soon {
		t.Errorf("close failed after %v; upload.timeout is %v", took, timeout)
	}
	quick(`stat -c %s during; head -c 100 during; ls`)
	if out, err := m.TryShell(rig.Limit, `dd if=/dev/zero of=second bs=64k count=16 2>&1`); err == nil || !strings.Contains(out, "Input/output error") {
		t.Errorf("dd into a frozen S3: %v\n%s", err, out)
	}
	r.S3.Signal(syscall.SIGCONT)
	r.Settle(time.Minute, []string{"d/", "d/before", "during", "second"})
	m.Unmount()
	sums := r.Proof()
	source := filepath.Join(t.TempDir(), "during")
	if err := os.WriteFile(source, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if sums["during"] != hashFile(t, source) {
		t.Errorf("the draft that waited was committed as %s", sums["during"])
	}
}

// TestKillNine kills the daemon in the middle of a large upload (P5).
func TestKillNine(t *testing.T) {
	t.Parallel()
	rig.Need(t, "bash", "cp")
	source := filepath.Join(t.TempDir(), "source")
	randomFile(t, source, 60<<20)
	r := rig.New(t, nil)
	m := r.Mount("a")
	m.Shell(`mkdir d; seq 1 50000 >d/closed`)
	sum := m.Hash("d/closed")
	var parts atomic.Int64
	held := make(chan struct{}) // until their client leaves
	r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
		if q.Op == "UploadPart" && parts.Add(1) > 2 {
			return s3test.Fault{Gate: held}
		}
		return s3test.Fault{}
	})
	copied := make(chan error, 1)
	go func() { // ends at the latest with the mount
		_, err := m.TryShell(rig.Limit, `cp '`+source+`' large; sync large`)
		copied <- err
	}()
	r.S3.Proxy.Wait(t, "UploadPart", 6)
	m.Kill()
	if err := <-copied; err == nil {
		t.Error("cp succeeded though the daemon was killed")
	}
	r.S3.Proxy.Hook(nil)
	keys := r.Keys()
	for _, k := range keys {
		if strings.Contains(k, "large") {
			t.Errorf("a half object is visible: %s", k)
		}
	}
	if len(r.Uploads()) == 0 {
		t.Error("no upload was under way: what this test is for was not tried")
	}
	if out, err := m.Mcfs(20*time.Second, "unmount", m.Dir); err != nil {
		t.Fatalf("unmount of a dead mount: %v\n%s", err, out)
	}

	again := m.Again()
	for deadline := time.Now().Add(30 * time.Second); len(r.Uploads()) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still unfinished: %q", r.Uploads())
		}
	}
	if got := again.Hash("d/closed"); got != sum {
		t.Errorf("a file that was closed reads as %s, not %s", got, sum)
	}
	again.Shell(`echo after >d/after; rm -f large; ls -lR`)
	again.Unmount()
	r.Settle(time.Second, []string{"d/", "d/after", "d/closed"})
	if got := r.Proof()["d/closed"]; got != sum {
		t.Errorf("S3 holds %s of a file that was closed as %s", got, sum)
	}
}

// TestKillAfterFsync kills the daemon after an fsync, and demands the bytes
// back from the next mount (P5).
func TestKillAfterFsync(t *testing.T) {
	t.Parallel()
	r := rig.New(t, nil)
	m := r.Mount("a")
	text := []byte(strings.Repeat("durable\n", 300_000))
	var f *os.File
	m.Within(time.Minute, "write and fsync", func() (err error) {
		if f, err = os.Create(m.Path("f")); err != nil {
			return err
		}
		if _, err = f.Write(text); err != nil {
			return err
		}
		return f.Sync()
	})
	m.Kill()
	_ = f.Close() // there is nobody any more to answer
	if out, err := m.Mcfs(20*time.Second, "unmount", m.Dir); err != nil {
		t.Fatalf("unmount of a dead mount: %v\n%s", err, out)
	}
	again := m.Again()
	if got := again.Run("cat", "f"); got != string(text) {
		t.Errorf("%d bytes came back of %d", len(got), len(text))
	}
	again.Shell(`echo more >>f`)
	again.Unmount()
	r.Settle(time.Second, []string{"f"})
	r.Proof()
}
