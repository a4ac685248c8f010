package posix

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mcfs/e2e/rig"
)

// closers are programs whose closes are not the end of a file, or are in an
// unusual place. Each writes "f" in its directory; uploads is how often f must
// be uploaded, once for each time that it was finished.
var closers = []struct {
	name    string
	uploads int
	script  string
}{
	{"echo over an existing file", 2, `echo one >f; echo two >f`},
	{"empty an existing file", 2, `echo one >f; : >f; sleep 0.2`},
	{"append twice", 2, `echo one >>f; echo two >>f`},
	{"children that inherit", 1, `(echo a; echo b | cat; ls /bin/true; ls /bin/true) >f`},
	{"children of a group", 1, `{ ls /bin/true; /bin/echo x; ls /bin/true; } >f`},
	{"children that each add", 1, `for i in 1 2 3 4 5; do /bin/echo $i; done >f`},
	{"a pipe into it", 1, `seq 1 1000 | sort -n | tee f >/dev/null`},
	{"descriptor of a shell", 1, `exec 3>f; echo a >&3; echo b >&3; /bin/echo c >&3; exec 3>&-`},
	{"descriptor of a shell never closed", 1, `exec 3>f; echo a >&3; echo b >&3`},
	{"output of a shell", 1, `exec >f 2>&1; echo a; ls /bin/true; echo b >&2; ls /nowhere || true`},
	{"both outputs", 1, `{ echo a; echo b >&2; ls /bin/true; } >f 2>&1`},
	{"read and write", 2, `echo abc >f; exec 4<>f; printf X >&4; read -r rest <&4; echo "$rest" >&4; exec 4>&-`},
	{"a child that outlives its parent", 1, `(sleep 0.3; echo late) >f & disown; sleep 0.6`},
	{"here document", 1, "cat >f <<END\ntext\nEND"},
	{"never written", 1, `exec 5>f; exec 5>&-; sleep 0.2`},
	{"a child, with a descriptor that is closed on exec", 1, python(`
import subprocess
f = os.open("f", os.O_CREAT | os.O_WRONLY)
subprocess.run(["/bin/true"], close_fds=False, check=True)
os.write(f, b"one")
subprocess.run(["/bin/true"], close_fds=False, check=True)
os.write(f, b"two")
os.close(f)`)},
	{"a program that executes another", 1, python(`
f = os.open("f", os.O_CREAT | os.O_WRONLY)
os.write(f, b"one")
os.execv("/bin/sleep", ["sleep", "0.5"])`)},
	{"a duplicate", 1, python(`
a = os.open("f", os.O_CREAT | os.O_WRONLY)
os.write(a, b"one")
b = os.dup(a)
os.close(a)
os.write(b, b"two")
os.close(b)`)},
	{"a duplicate that has nothing to add", 1, python(`
a = os.open("f", os.O_CREAT | os.O_WRONLY)
os.write(a, b"one")
b = os.dup(a)
os.close(a)
os.close(b)`)},
	{"closed by another thread", 1, python(`
import threading
a = os.open("f", os.O_CREAT | os.O_WRONLY)
os.write(a, b"x" * 100000)
t = threading.Thread(target=os.close, args=(a,))
t.start()
t.join()`)},
	{"written by threads", 1, python(`
import threading
a = os.open("f", os.O_CREAT | os.O_WRONLY)
ts = [threading.Thread(target=os.pwrite, args=(a, b"x" * 70000, i * 70000)) for i in range(8)]
for t in ts: t.start()
for t in ts: t.join()
os.close(a)`)},
	{"never closed by its opener", 1, python(`
a = os.open("f", os.O_CREAT | os.O_WRONLY)
os.write(a, b"left to the kernel")
os._exit(0)`)},
	{"forked while open", 1, python(`
a = os.open("f", os.O_CREAT | os.O_WRONLY)
os.write(a, b"parent")
for i in range(3):
    if os.fork() == 0:
        os.write(a, b"child")
        os._exit(0)
    os.wait()
os.write(a, b"parent again")
os.close(a)`)},
	{"handed to a child and closed first", 1, python(`
a = os.open("f", os.O_CREAT | os.O_WRONLY)
if os.fork() == 0:
    import time
    time.sleep(0.3)
    os.write(a, b"written by the child alone")
    os._exit(0)
os.close(a)
os.wait()`)},
	{"truncated alone", 2, `echo longer >f; truncate -s 3 f`},
	{"truncated by name", 2, python(`
open("f", "w").write("longer")
os.truncate("f", 3)
import time
time.sleep(0.2)`)},
	{"opened twice by one process", 1, python(`
a = os.open("f", os.O_CREAT | os.O_WRONLY)
b = os.open("f", os.O_WRONLY)
os.write(a, b"one")
os.close(b)
os.close(a)`)},
	{"opened twice and closed in turn", 1, python(`
a = os.open("f", os.O_CREAT | os.O_RDWR)
b = os.open("f", os.O_RDWR)
os.write(a, b"one")
os.close(a)
os.close(b)`)},
	{"allocated", 1, `fallocate -l 100000 f`},
}

// python is a script that runs python3 with a program of one's own.
func python(program string) string {
	return "python3 - <<'END'\nimport os" + program + "\nEND"
}

// killed is python for a program that kills itself at its end.
func killed(program string) string {
	return "python3 - <<'END' || [ $? = 137 ]\nimport os" + program + "\nos.kill(os.getpid(), 9)\nEND"
}

// TestFlushIsNotClose runs each program in the mount and on a disk, and demands
// the same content, one upload for each time that the file was finished, and no
// half-written object between (P6).
func TestFlushIsNotClose(t *testing.T) {
	t.Parallel()
	rig.Need(t, "bash", "python3", "fallocate")
	b := start(t, nil)
	for _, c := range closers {
		t.Run(c.name, func(t *testing.T) {
			dir := strings.ReplaceAll(c.name, " ", "_")
			plain := filepath.Join(b.plain, dir)
			if err := os.Mkdir(plain, 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("bash", "-euo", "pipefail", "-c", c.script)
			cmd.Dir, cmd.Env = plain, append(os.Environ(), "LC_ALL=C")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("on a disk: %v\n%s", err, out)
			}
			b.Shell("mkdir " + dir + "; cd " + dir + "\n" + c.script)
			b.quiet()
			if got := b.uploads(dir + "/f"); got != c.uploads {
				t.Errorf("%d uploads, not %d", got, c.uploads)
			}
		})
	}
	b.prove(t)
	b.finish()
}

// TestCloseIsTheUpload: when close returns, S3 has the file (P4), also for what
// was only truncated or allocated through the descriptor.
func TestCloseIsTheUpload(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for _, c := range []struct{ name, program string }{
		{"written", `os.write(a, b"x")`},
		{"truncated", `os.truncate(a, 100)`},
		{"allocated", `os.posix_fallocate(a, 0, 100)`},
		{"mapped", `os.truncate(a, 4096); import mmap; m = mmap.mmap(a, 4096); m[0:3] = b"abc"; m.flush(); m.close()`},
		{"sent", `r = os.open("/proc/self/exe", os.O_RDONLY); os.sendfile(a, r, 0, 1000)`},
		{"copied", `r = os.open("sent", os.O_RDONLY); assert os.copy_file_range(r, a, 1000) == 1000`},
		{"spliced", `r, w = os.pipe(); os.write(w, b"abc"); os.splice(r, a, 3)`},
		{"beside a second opening", `keep = os.open("written", os.O_RDWR); k = os.open("beside a second opening", os.O_RDWR); os.write(a, b"x")`},
	} {
		// Killed right after its close, so that nothing later can have uploaded it.
		b.Shell(killed("\na = os.open('" + c.name + "', os.O_CREAT | os.O_RDWR)\n" + c.program + "\nos.close(a)"))
		keys := strings.Join(b.r.Keys(), " ")
		for _, key := range []string{rig.Prefix + c.name, rig.Prefix + c.name + rig.SidecarSuffix} {
			if !strings.Contains(keys+" ", key+" ") {
				t.Errorf("close has returned, and S3 has no %s", key)
			}
		}
	}
	b.finish()
}
