package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mcfs/internal/terminaltest"

	"mcfs/config"
	"mcfs/keys/kmstest"
	"mcfs/store/s3/s3test"
)

// screen is what was written to a terminal.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

// watch reads what a program writes, until the terminal is closed.
func watch(master *os.File) *screen {
	s := &screen{more: make(chan struct{}, 1)}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			s.mu.Lock()
			s.text.Write(buffer[:n])
			s.mu.Unlock()
			select {
			case s.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits for a text after one at an offset, and returns where it ends.
func (s *screen) await(t *testing.T, from int, text string) int {
	t.Helper()
	for limit := time.After(20 * time.Second); ; {
		if at := strings.Index(s.String()[from:], text); at >= 0 {
			return from + at + len(text)
		}
		select {
		case <-s.more:
		case <-limit:
			t.Fatalf("no %q on the terminal:\n%s", text, s)
		}
	}
}

// studio is a home with credentials, a bucket and a key.
func studio(t *testing.T) (*s3test.Server, *kmstest.Server) {
	t.Helper()
	s3 := s3test.Start(t)
	kms := kmstest.Start(t, kmstest.Options{AccessKey: s3.AccessKey, SecretKey: s3.SecretKey, Keys: []kmstest.Key{{}, {State: kmstest.Disabled}}})
	t.Cleanup(func() { kms.TakeViolations() }) // what the doctor tries
	for _, line := range kms.Env() {
		name, value, _ := strings.Cut(line, "=")
		t.Setenv(name, value)
	}
	t.Setenv("HOME", t.TempDir())
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", config.EnvFile} {
		t.Setenv(name, "")
	}
	return s3, kms
}

// TestInitOnTerminal: each answer is proved and asked again until it works; the configuration is
// this user's alone, the policies are printed, and no secret is.
func TestInitOnTerminal(t *testing.T) {
	s3, kms := studio(t)
	master, slave := terminaltest.Open(t)
	on := watch(master)
	at := filepath.Join(t.TempDir(), "mnt")
	var out bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(t.Context(), []string{"mcfs", "init", "--endpoint", s3.URL, "--path-style"}, stdio{in: slave, out: &out, err: slave})
	}()
	seen := 0
	for _, step := range []struct{ question, answer string }{
		{"Bucket, as it is called in S3: ", "no-such-bucket"}, {"Prefix", "init-volume/"}, {"Region", "us-east-1"},
		{"FAIL  bucket: bucket no-such-bucket does not exist", ""},
		{"Bucket, as it is called in S3 [no-such-bucket]: ", s3.Bucket}, {"Prefix of the volume in it, - for none [init-volume/]: ", "\n"}, {"[us-east-1]: ", "\n"},
		{"checks ok", ""}, {"KMS key", kms.ARN(1)}, {"is in the state Disabled; cure: aws kms enable-key", ""}, {"KMS key", kms.ARN(0)},
		{"Mountpoint", at}, {"Mount it when", "-"}, {"config.toml is written", ""},
	} {
		seen = on.await(t, seen, step.question)
		if answer := strings.TrimSpace(step.answer); step.answer != "" {
			if _, err := master.WriteString(answer + "\n"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if status := <-ended; status != exitOK {
		t.Fatalf("status %d\n%s", status, on)
	}
	path := filepath.Join(os.Getenv("HOME"), ".config/mcfs/config.toml")
	c, err := config.Load(path)
	if err != nil || c.Store.Bucket != s3.Bucket || c.Store.Prefix != "init-volume/" || c.Keys.KeyID != kms.ARN(0) {
		t.Errorf("%+v, %v", c, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(at); err != nil || !info.IsDir() {
		t.Errorf("the mountpoint: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{s3.AccessKey, s3.SecretKey} {
		if strings.Contains(on.String()+out.String()+string(text), secret) {
			t.Error("a secret is told")
		}
	}
	if n := strings.Count(out.String(), "# mcfs policy "); n != 4 {
		t.Errorf("%d policies:\n%s", n, out.String())
	}
	page, err := s3.Open(t, "").List(t.Context(), "", "", "", 0)
	if err != nil || len(page.Objects) > 0 {
		t.Errorf("left in the bucket: %+v, %v", page.Objects, err)
	}
}

// TestInitEndsEarly: an interrupt, or the end of the terminal, writes nothing.
func TestInitEndsEarly(t *testing.T) {
	studio(t)
	for want, end := range map[int]func(*os.File) error{
		exitInterrupted: func(*os.File) error { return syscall.Kill(os.Getpid(), syscall.SIGINT) },
		exitFailed:      func(master *os.File) error { _, err := master.Write([]byte{4}); return err }, // Ctrl-D
	} {
		master, slave := terminaltest.Open(t)
		on := watch(master)
		ended := make(chan int, 1)
		go func() { ended <- run(t.Context(), []string{"mcfs", "init"}, stdio{in: slave, out: slave, err: slave}) }()
		on.await(t, 0, "Bucket")
		if err := end(master); err != nil {
			t.Fatal(err)
		}
		if status := <-ended; status != want {
			t.Errorf("status %d, not %d\n%s", status, want, on)
		}
		if list, err := os.ReadDir(os.Getenv("HOME")); err != nil || len(list) > 0 {
			t.Errorf("left: %v, %v", list, err)
		}
	}
}

// TestInitForAProgram: with --json nothing is asked, on a terminal neither.
func TestInitForAProgram(t *testing.T) {
	studio(t)
	master, slave := terminaltest.Open(t)
	on := watch(master)
	if status := run(t.Context(), []string{"mcfs", "init", "--json"}, stdio{in: slave, out: slave, err: slave}); status != exitUsage {
		t.Errorf("status %d", status)
	}
	on.await(t, 0, `"type":"error","code":"usage"`)
	if strings.Contains(on.String(), "Bucket") {
		t.Errorf("it asks:\n%s", on)
	}
}
