package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"

	"mcfs/fs"
	"mcfs/internal/control"
	"mcfs/internal/memorytest"
	"mcfs/internal/mounts"
	"mcfs/internal/verdict"
	"mcfs/keys/kmstest"
	"mcfs/store/s3/s3test"
)

func TestMain(m *testing.M) {
	syscall.Umask(0o022) // configurations that others may write are refused
	testscript.Main(inMemory{m}, map[string]func(){"mcfs": main, "mount.fuse.mcfs": main, "mcfs-hangs": hangsOnSignal})
}

// inMemory runs the tests with temporary files in memory.
type inMemory struct{ m *testing.M }

func (t inMemory) Run() int { return memorytest.Main(t.m) }

// TestScripts runs the scripts of testdata: the real program against a real S3
// server and a strict KMS, in a home of its own.
func TestScripts(t *testing.T) {
	s3 := s3test.Start(t)
	kms := startKMS(t, s3)
	docs, err := filepath.Abs("../../docs")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			kms := kms
			if name := filepath.Base(e.WorkDir); name == "script-doctor" || name == "script-init" || name == "script-first_steps" { // which sends what nobody else may
				kms = startKMS(t, s3)
				e.Defer(func() { kms.TakeViolations() })
			}
			setEnvironment(e, s3, kms)
			convert := startConvert(t, s3, kms) // each script's own
			e.Values[convertKey{}] = convert
			e.Setenv("AWS_ENDPOINT_URL_MEDIACONVERT", convert.URL)
			e.Setenv("DOCS", docs)
			e.Defer(func() { unmountBelow(t, e.WorkDir) })
			return writeConfig(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails":     cmdFails,
			"refuses":   cmdRefuses,
			"put":       func(ts *testscript.TestScript, neg bool, args []string) { putForeign(ts, s3, args) },
			"delete":    func(ts *testscript.TestScript, neg bool, args []string) { deleteObject(ts, s3, args) },
			"mounted":   cmdMounted,
			"untouched": cmdUntouched,
			"edit":      cmdEdit,
			"await":     cmdAwait,
			"signal":    cmdSignal,
			"mode":      cmdMode,
			"port":      cmdPort,
			"occupy":    cmdOccupy,
			"fetch":     cmdFetch,
			"guide":     cmdGuide,
			"iam":       cmdIAM,
			"convert":   cmdConvert,
		},
	})
}

func startKMS(t *testing.T, s3 *s3test.Server) *kmstest.Server {
	return kmstest.Start(t, kmstest.Options{AccessKey: s3.AccessKey, SecretKey: s3.SecretKey, Keys: []kmstest.Key{
		{Alias: "alias/ingest"}, {Alias: "alias/disabled", State: kmstest.Disabled}, {Alias: "alias/next"},
	}})
}

func setEnvironment(e *testscript.Env, s3 *s3test.Server, kms *kmstest.Server) {
	e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
	e.Setenv("TMPDIR", filepath.Join(e.WorkDir, ".tmp"))
	for _, line := range kms.Env() {
		name, value, _ := strings.Cut(line, "=")
		e.Setenv(name, value)
	}
	e.Setenv("AWS_ENDPOINT_URL_KMS", "")
	e.Setenv("GORACE", "atexit_sleep_ms=50") // not a second at the end of each command
	e.Setenv("S3_ENDPOINT", s3.URL)
	e.Setenv("BUCKET", s3.Bucket)
	e.Setenv("VOLUME_ADDRESS", "s3://"+s3.Bucket+"/"+filepath.Base(e.WorkDir)+"/")
	e.Setenv("KMS_ENDPOINT", kms.URL)
	e.Setenv("KEY_ARN", kms.ARN(0))
	e.Setenv("DISABLED_ARN", kms.ARN(1))
	e.Setenv("NEXT_ARN", kms.ARN(2))
	e.Setenv("ACCESS_KEY", s3.AccessKey)
	e.Setenv("SECRET_KEY", s3.SecretKey)
}

// writeConfig makes aws.toml, a volume in the S3 server below a prefix of the
// script's own, of which scripts spoil copies with edit, and dir.toml, one below the
// folder shared.
func writeConfig(e *testscript.Env) error {
	text := fmt.Sprintf(`[store]
kind = "s3"
bucket = %q
prefix = %q
region = "us-east-1"
endpoint = %q
path_style = true
[keys]
kind = "kms"
key_id = %q
endpoint = %q
[upload]
timeout = "5s"
`, e.Getenv("BUCKET"), filepath.Base(e.WorkDir)+"/", e.Getenv("S3_ENDPOINT"), e.Getenv("KEY_ARN"), e.Getenv("KMS_ENDPOINT"))
	local := fmt.Sprintf("store.kind = \"dir\"\nstore.path = %q\nkeys.kind = \"local\"\n", filepath.Join(e.WorkDir, "shared", "store"))
	return errors.Join(
		os.WriteFile(filepath.Join(e.WorkDir, "aws.toml"), []byte(text), 0o600),
		os.WriteFile(filepath.Join(e.WorkDir, "dir.toml"), []byte(local), 0o600),
	)
}

// mountsBelow are the mounts in a folder whose path needs no escapes in mountinfo.
func mountsBelow(dir string) []string {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		panic(err)
	}
	var list []string
	for line := range strings.Lines(string(info)) {
		if at := strings.Fields(line)[4]; mounts.Within(at, dir) {
			list = append(list, at)
		}
	}
	return list
}

// unmountBelow ends what a failed script left, so that its folder can be removed.
func unmountBelow(t *testing.T, dir string) {
	for _, at := range mountsBelow(dir) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_ = unmount(ctx, at, control.Unmount{Now: true}, func(string) {})
		cancel()
		if _, there := fs.MountAt(at); there {
			if err := mounts.Detach(at); err != nil {
				t.Errorf("detach %s: %v", at, err)
			}
		}
	}
}

// cmdFails runs a command that must fail: fails STATUS COMMAND ARGS... demands
// the exit status and one line on standard error, which begins with "mcfs: ".
func cmdFails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails status command args...")
	}
	err := ts.Exec(args[1], args[2:]...)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("ended with %v, not with status %s", err, args[0])
	}
	said := ts.ReadFile("stderr")
	if !strings.HasPrefix(said, "mcfs: ") || strings.Count(said, "\n") != 1 {
		ts.Fatalf("standard error is not one line of mcfs:\n%s", said)
	}
}

// cmdRefuses runs a command with --json that must fail: refuses STATUS CODE COMMAND ARGS...
// demands the exit status, and that the last line on standard error is a failure of that code,
// with a cure.
func cmdRefuses(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: refuses status code command args...")
	}
	err := ts.Exec(args[2], args[3:]...)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("ended with %v, not with status %s", err, args[0])
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stderr"), "\n"), "\n")
	var line verdict.Line
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
		ts.Fatalf("the last line of standard error is no failure: %v\n%s", err, lines[len(lines)-1])
	}
	if line.Type != "error" || string(line.Code) != args[1] || line.Message == "" || line.Cure == "" {
		ts.Fatalf("not a failure %s with a cure: %+v", args[1], line)
	}
}

// putForeign puts a file into the script's volume as another program would: put FILE KEY.
func putForeign(ts *testscript.TestScript, s3 *s3test.Server, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	_, err = directly(s3).PutObject(context.Background(), &awss3.PutObjectInput{Bucket: &s3.Bucket, Key: keyInScript(ts, args[1]), Body: f})
	ts.Check(err)
}

// deleteObject deletes an object of the script's volume as another program would: delete KEY.
func deleteObject(ts *testscript.TestScript, s3 *s3test.Server, args []string) {
	_, err := directly(s3).DeleteObject(context.Background(), &awss3.DeleteObjectInput{Bucket: &s3.Bucket, Key: keyInScript(ts, args[0])})
	ts.Check(err)
}

// directly asks the S3 server beside mcfs.
func directly(s3 *s3test.Server) *awss3.Client {
	return awss3.NewFromConfig(s3.AWS(), func(o *awss3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(s3.URL), true })
}

// keyInScript is the key of a path in the script's volume.
func keyInScript(ts *testscript.TestScript, path string) *string {
	return aws.String(filepath.Base(ts.Getenv("WORK")) + "/" + path)
}

// cmdMounted says whether a path is a mount of mcfs.
func cmdMounted(ts *testscript.TestScript, neg bool, args []string) {
	m, there := fs.MountAt(ts.MkAbs(args[0]))
	if (there && m.UID >= 0) == neg {
		ts.Fatalf("mounted %s: %v", args[0], there)
	}
}

// cmdUntouched demands that nothing is mounted and nothing was made: not in the
// home folder, and no control socket.
func cmdUntouched(ts *testscript.TestScript, neg bool, args []string) {
	work := ts.Getenv("WORK")
	if list := mountsBelow(work); len(list) > 0 {
		ts.Fatalf("mounted: %v", list)
	}
	home := ts.Getenv("HOME")
	err := filepath.WalkDir(home, func(path string, e os.DirEntry, err error) error {
		if err == nil && path != home {
			ts.Fatalf("left behind: %s", path)
		}
		return nil
	})
	ts.Check(err)
	for _, at := range append(args, "mnt") {
		for _, socket := range control.Sockets(ts.MkAbs(at), os.Geteuid()) {
			if _, err := os.Lstat(socket); err == nil {
				ts.Fatalf("left behind: the control socket of %s", at)
			}
		}
	}
}

// cmdEdit copies a file with one text replaced: edit FROM TO OLD NEW.
func cmdEdit(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	if strings.Count(text, args[2]) != 1 {
		ts.Fatalf("%s does not have %q once", args[0], args[2])
	}
	text = strings.Replace(text, args[2], strings.ReplaceAll(args[3], `\n`, "\n"), 1)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// cmdAwait waits until a mount has ended, or (negated) has begun.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		m, there := fs.MountAt(ts.MkAbs(args[0]))
		if (there && m.UID >= 0) == neg {
			if neg {
				_, err := os.ReadDir(ts.MkAbs(args[0]))
				ts.Check(err)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("await %s: not in time", args[0])
}

// cmdSignal sends a signal to the daemon of a mount in the background, which its
// spool's lock names: signal NAME.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	locks, err := filepath.Glob(filepath.Join(ts.Getenv("HOME"), ".local/state/mcfs/*/lock"))
	ts.Check(err)
	if len(locks) != 1 {
		ts.Fatalf("%d spools", len(locks))
	}
	pid := strings.TrimSpace(ts.ReadFile(locks[0]))
	ts.Check(ts.Exec("kill", "-"+args[0], pid))
	for args[0] == "STOP" && !standsStill(ts, pid) { // it is delivered when the kernel comes to it
		time.Sleep(time.Millisecond)
	}
	for args[0] == "KILL" && !isDead(pid) { // until then its sockets are open
		time.Sleep(time.Millisecond)
	}
}

// isDead reports whether nothing is left of a process but its exit status.
func isDead(pid string) bool {
	threads, _ := filepath.Glob(filepath.Join("/proc", pid, "task", "*", "stat")) // the pattern is right
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err == nil && !strings.HasPrefix(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " Z") {
			return false
		}
	}
	return len(threads) <= 1
}

// standsStill reports whether every thread of a process is stopped.
func standsStill(ts *testscript.TestScript, pid string) bool {
	threads, err := filepath.Glob(filepath.Join("/proc", pid, "task", "*", "stat"))
	ts.Check(err)
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err == nil && !strings.HasPrefix(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " T") {
			return false
		}
	}
	return true
}

// cmdMode demands the permissions of a file: mode MODE FILE.
func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, not %s", args[1], got, args[0])
	}
}

// cmdPort puts a local address that nobody listens on into a variable: port NAME.
func cmdPort(ts *testscript.TestScript, neg bool, args []string) {
	address, err := s3test.FreeAddress()
	ts.Check(err)
	ts.Setenv(args[0], address)
}

// cmdOccupy listens on an address until the script ends: occupy ADDRESS.
func cmdOccupy(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", args[0])
	ts.Check(err)
	ts.Defer(func() { l.Close() })
}

// cmdFetch puts what an address answers into a file: fetch URL FILE. Negated, nobody must answer.
func cmdFetch(ts *testscript.TestScript, neg bool, args []string) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(args[0])
	if neg {
		if !errors.Is(err, syscall.ECONNREFUSED) {
			ts.Fatalf("fetch %s: %v, not a refusal", args[0], err)
		}
		return
	}
	ts.Check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	ts.Check(err)
	if answer.StatusCode != http.StatusOK {
		ts.Fatalf("fetch %s: %s\n%s", args[0], answer.Status, text)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}
