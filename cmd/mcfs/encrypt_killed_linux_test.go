package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mcfs/keys/kmstest"
	"mcfs/sidecar"
	"mcfs/store/s3/s3test"
)

// extent is how many kills there are of a command, and files.
type extent struct{ kills, files int }

// In `make test` there are fewer than in `make large`: a kill, with the look at all files that goes with it,
// takes a second on two cores, and many with the race detector; and each run draws other instants. As
// many are done by a run before its kill as leaves work for the next.
var (
	some = extent{12, 150}
	few  = extent{8, 100}
	many = extent{50, 1000}
)

// killedRun is a tree and a volume, of commands that are killed.
type killedRun struct {
	t       *testing.T
	dir     string
	env     []string
	address string
	extent
	config string // that of its commands
	kms    *kmstest.Server
}

func newKilledRun(t *testing.T, s3 *s3test.Server, e extent) *killedRun {
	t.Helper()
	if os.Getenv("MCFS_TEST_LONG") != "" {
		e = many
	}
	dir := t.TempDir()
	env := &testscript.Env{WorkDir: dir, Vars: os.Environ()}
	kms := startKMS(t, s3)
	setEnvironment(env, s3, kms)
	for _, name := range []string{env.Getenv("HOME"), filepath.Join(dir, "src")} {
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeConfig(env); err != nil {
		t.Fatal(err)
	}
	patient(t, filepath.Join(dir, "aws.toml"))
	k := &killedRun{t: t, dir: dir, env: env.Vars, address: env.Getenv("VOLUME_ADDRESS"), extent: e, config: "aws.toml", kms: kms}
	for i := range k.files {
		size := 1 + rand.IntN(20_000)
		if i%100 == 0 {
			size = 9 << 20 // it is sent in parts
		}
		k.write(i, size)
	}
	return k
}

// patient lets a configuration wait for a store that is slow, since others have the machine.
func patient(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`timeout = "5s"`), []byte(`timeout = "60s"`), 1)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// write writes a file of the tree.
func (k *killedRun) write(i, size int) {
	k.t.Helper()
	content := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(size)})
	_, _ = r.Read(content)
	at := filepath.Join(k.dir, "src", fmt.Sprint("dir", i%7), fmt.Sprint("file", i))
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		k.t.Fatal(err)
	}
	if err := os.WriteFile(at, content, 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// command is mcfs with its configuration.
func (k *killedRun) command(args ...string) *exec.Cmd {
	c := exec.Command("mcfs", append(args, "--config", filepath.Join(k.dir, k.config))...)
	c.Env, c.Dir = k.env, k.dir
	return c
}

// must runs a command that has to do all.
func (k *killedRun) must(args ...string) {
	k.t.Helper()
	if out, err := k.command(args...).CombinedOutput(); err != nil {
		k.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// kill kills a command after a while that is drawn.
func (k *killedRun) kill(args ...string) {
	k.t.Helper()
	c := k.command(args...)
	if err := c.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.end(c)
}

// end kills what has been started after a while that is drawn.
func (k *killedRun) end(c *exec.Cmd) {
	time.Sleep(time.Duration(50+rand.IntN(500)) * time.Millisecond) // in which request it is killed is drawn
	_ = c.Process.Kill()
	_ = c.Wait()
}

// sound demands that nothing in the volume is damaged; what lacks its settings yet is none. A request
// of what was killed may still arrive, and replace a file that is being read: then it is read again.
func (k *killedRun) sound() {
	k.t.Helper()
	for range 5 {
		if !strings.Contains(k.look(), "store_changed") {
			return
		}
	}
	k.t.Fatal("it goes on changing")
}

// look has the volume verified, and returns what is said.
func (k *killedRun) look() string {
	k.t.Helper()
	said, err := looked(k.command("verify", k.address, "--json"))
	if err != nil {
		k.t.Fatal(err)
	}
	return said
}

// looked runs a verification, and returns what it says. Its error is of damage.
func looked(c *exec.Cmd) (string, error) {
	out, err := c.Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var sum struct{ States map[string]int }
	if jerr := json.Unmarshal([]byte(lines[len(lines)-1]), &sum); jerr != nil {
		if strings.Contains(string(out), "no_object") {
			return "", nil // nothing is there yet
		}
		return "", fmt.Errorf("%w, %w\n%s", err, jerr, out)
	}
	if failed := strings.Count(string(out), `"state":"failed"`); sum.States["damaged"] > 0 || failed != strings.Count(string(out), `"store_changed"`) {
		return "", fmt.Errorf("%v\n%s", sum.States, out)
	}
	return string(out), nil
}

// once demands that each file is there whole, under an IV of its own, and nothing else. It adds the
// IVs to those that were seen.
func (k *killedRun) once(s3 *s3test.Server, seen map[string]string) {
	k.t.Helper()
	k.must("verify", k.address)
	out := filepath.Join(k.dir, "out")
	k.must("decrypt", k.address, out)
	if diff, err := exec.Command("diff", "-r", filepath.Join(k.dir, "src"), out).CombinedOutput(); err != nil {
		k.t.Fatalf("%v\n%s", err, diff)
	}
	if err := os.RemoveAll(out); err != nil {
		k.t.Fatal(err)
	}
	st := s3.Open(k.t, strings.TrimPrefix(k.address, "s3://"+s3.Bucket+"/"))
	count := 0
	for token := ""; ; {
		page, err := st.List(k.t.Context(), "", "", token, 0)
		if err != nil {
			k.t.Fatal(err)
		}
		for _, o := range page.Objects {
			if count++; sidecar.Is(o.Key) {
				continue
			}
			info, err := st.Head(k.t.Context(), o.Key)
			if err != nil {
				k.t.Fatal(err)
			}
			iv := info.Metadata[sidecar.KeyIV]
			if other, twice := seen[iv]; twice && other != o.Key+info.ETag {
				k.t.Errorf("%s has the IV of %s", o.Key, other)
			}
			seen[iv] = o.Key + info.ETag
		}
		if token = page.Next; token == "" {
			break
		}
	}
	if count != 2*k.files {
		k.t.Errorf("%d objects of %d files", count, k.files)
	}
	if ups, err := st.Uploads(k.t.Context(), ""); err != nil || len(ups) > 0 {
		k.t.Errorf("unfinished uploads are left: %v, %v", ups, err)
	}
}

// TestEncryptKilled: mcfs encrypt is killed at random over some hundred objects and run again, first
// into an empty volume, then over what is there: nothing is damaged at any moment, and in the end
// each file is there once, under a key of its own, and no upload is left.
func TestEncryptKilled(t *testing.T) {
	t.Parallel()
	s3 := s3test.Start(t)
	k := newKilledRun(t, s3, some)
	seen := make(map[string]string)
	for range k.kills / 2 {
		k.kill("encrypt", "src", k.address)
		k.sound()
	}
	k.must("encrypt", "src", k.address)
	k.once(s3, seen)
	for i := range k.files {
		k.write(i, 2+rand.IntN(20_000))
	}
	k.write(0, 10<<20)
	for range k.kills / 2 {
		k.kill("encrypt", "--force", "src", k.address)
		k.sound()
	}
	k.must("encrypt", "--force", "src", k.address)
	k.once(s3, seen)
}

// TestDecryptKilled: mcfs decrypt is killed at random and run again: what bears its name is whole, and
// in the end all is there, and nothing beside it.
func TestDecryptKilled(t *testing.T) {
	t.Parallel()
	k := newKilledRun(t, s3test.Start(t), some)
	k.must("encrypt", "src", k.address)
	out := filepath.Join(k.dir, "out")
	for range k.kills / 2 {
		k.kill("decrypt", k.address, out)
		if _, err := os.Stat(out); errors.Is(err, fs.ErrNotExist) {
			continue // it came to nothing before it was killed
		}
		diff, _ := exec.Command("diff", "-rq", filepath.Join(k.dir, "src"), out).CombinedOutput()
		for line := range strings.Lines(string(diff)) {
			if !strings.HasPrefix(line, "Only in ") || strings.HasPrefix(line, "Only in "+out) && !strings.Contains(line, ".mcfs-") {
				t.Fatalf("what is there is not whole: %s", line)
			}
		}
	}
	k.must("decrypt", k.address, out)
	if diff, err := exec.Command("diff", "-r", filepath.Join(k.dir, "src"), out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, diff)
	}
}
