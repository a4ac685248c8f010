package promises

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// TestPromise7TheMountNeverHangs freezes S3: what was known is answered, and
// whoever waits for S3 can be killed.
func TestPromise7TheMountNeverHangs(t *testing.T) {
	rig.Need(t, "bash", "df")
	r := rig.New(t, rig.Settings{"mount.fresh": `"0s"`})
	writer := r.Mount("a")
	writer.Shell(`mkdir d; for i in d/a d/b cold; do seq 50000 >$i; done`)
	writer.Unmount()
	m := r.Mount("b")
	m.Expect(`level=ERROR`)
	m.Shell(`ls -l . d; stat d/a`)
	r.S3.Signal(syscall.SIGSTOP)
	reader := exec.Command("cat", m.Path("cold"))
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	m.Within(20*time.Second, "a read that waits", func() error {
		for !waits(reader.Process.Pid) {
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	begun := time.Now()
	if err := reader.Process.Kill(); err != nil {
		t.Error(err)
	}
	m.Within(30*time.Second, "kill -9", func() error { _ = reader.Wait(); return nil })
	if took := time.Since(begun); took > rig.Soon {
		t.Errorf("kill -9 took %v", took)
	}
	for _, script := range []string{`df .`, `stat d/a`, `ls -l d`, `mv d/a d/c`, `mkdir e`, `(exec 3>d/draft; echo text >&3; exec 3>&-) >/dev/null & sleep 0.2; cat d/draft; kill -9 $!; wait || true`} {
		begun := time.Now()
		m.Shell(script)
		if took := time.Since(begun); took > rig.Soon { // S3 is waited for up to 1 s at each step
			t.Errorf("with S3 frozen, %q took %v", script, took)
		}
	}
	r.S3.Signal(syscall.SIGCONT)
	m.Shell(`rm -f d/draft; cat cold >/dev/null`)
	m.Unmount()
}

// waits says that a process is in one and the same read of a file for a while.
func waits(pid int) bool {
	read := fmt.Sprintf("%d 0x", syscall.SYS_READ)
	first, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	if err != nil || !strings.HasPrefix(string(first), read) || strings.HasPrefix(string(first), read+"0 ") {
		return false
	}
	time.Sleep(200 * time.Millisecond)
	again, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	return err == nil && string(again) == string(first)
}

// TestPromise8OneVersionPerOpen reads a file while another machine replaces it:
// what is read is of the version that was opened, or an error.
func TestPromise8OneVersionPerOpen(t *testing.T) {
	r := rig.New(t, rig.Settings{"mount.fresh": `"0s"`})
	there := r.Mount("there")
	const size = 30 << 20
	save := func(c string) {
		t.Helper()
		there.Within(time.Minute, "save", func() error {
			return os.WriteFile(there.Path("f"), bytes.Repeat([]byte(c), size), 0o600)
		})
	}
	save("a")
	here := r.Mount("here")
	here.Expect(`level=ERROR`)
	var f *os.File
	var start [4096]byte
	here.Within(time.Minute, "open and read the start", func() (err error) {
		if f, err = os.Open(here.Path("f")); err == nil {
			_, err = io.ReadFull(f, start[:])
		}
		return err
	})
	save("b")
	here.Within(time.Minute, "read the rest", func() error {
		defer f.Close()
		rest, err := io.ReadAll(f)
		if n := bytes.Count(rest, []byte("a")); n != len(rest) {
			t.Errorf("%d of %d bytes are of another version than was opened", len(rest)-n, len(rest))
		}
		if err == nil && len(rest) < size-len(start) {
			t.Errorf("the file ended after %d bytes, without an error", len(rest))
		}
		if err != nil && !errors.Is(err, syscall.ESTALE) && !errors.Is(err, syscall.EIO) {
			t.Errorf("it failed with %v", err)
		}
		if err == nil {
			t.Error("all of it was in memory: what this test is for was not tried")
		}
		return nil
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		got, err := here.Try(time.Minute, "cat", "f")
		if err == nil && got == strings.Repeat("b", size) {
			break
		}
		if strings.Contains(got, "a") && strings.Contains(strings.TrimPrefix(got, "cat: "), "bbb") || time.Now().After(deadline) {
			t.Fatalf("opened anew, the file is not what the other machine saved: %v, %d bytes", err, len(got))
		}
	}
	here.Unmount()
	there.Unmount()
}

// TestPromise9TamperingIsFound flips one bit of each object in the bucket: the
// file cannot be read, and the log says which and why.
func TestPromise9TamperingIsFound(t *testing.T) {
	rig.Need(t, "bash")
	for _, mode := range []string{"CTR", "CBC", "GCM"} {
		t.Run(mode, func(t *testing.T) {
			r := rig.New(t, rig.Settings{"crypt.mode": fmt.Sprintf("%q", mode)})
			m := r.Mount("a")
			m.Shell(`seq 100000 >good; seq 100000 >bad`)
			m.Unmount()
			object := r.Get(rig.Prefix + "bad")
			object.Body[len(object.Body)/2] ^= 4
			r.Put(rig.Prefix+"bad", object)
			cold := r.Mount("cold")
			cold.Expect(`level=ERROR.*(bad|quarantine)`)
			out, err := cold.TryShell(time.Minute, `cat bad`)
			if err == nil || !strings.Contains(out, "Input/output error") {
				t.Errorf("cat: %v, %d bytes", err, len(out))
			}
			if mode == "GCM" && strings.Contains(out, "1\n2\n3\n") {
				t.Error("bytes were released before the tag was checked")
			}
			if len(cold.LogLines("level=ERROR", "bad", "integrity")) == 0 {
				t.Error("the log does not say why")
			}
			if got := cold.Run("tail", "-n1", "good"); got != "100000\n" {
				t.Errorf("another file reads %q", got)
			}
			cold.Unmount()
		})
	}
}
