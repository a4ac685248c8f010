package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mcfs/internal/stored"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
	"mcfs/mediaconvert/mediaconverttest"
	"mcfs/store/s3/s3test"
)

const (
	watchSaves = 200
	watchKills = 50
)

// machine is one that runs mcfs watch, with a home of its own.
type machine struct {
	t    *testing.T
	env  []string
	args []string
	log  *os.File
}

// start starts the command.
func (m *machine) start() *exec.Cmd {
	m.t.Helper()
	c := exec.Command("mcfs", m.args...)
	c.Env, c.Stdout, c.Stderr = m.env, m.log, m.log
	if err := c.Start(); err != nil {
		m.t.Fatal(err)
	}
	return c
}

// hotRig is a configuration of a volume, and the services that it needs.
type hotRig struct {
	t           *testing.T
	e           *testscript.Env
	convert     *mediaconverttest.Server
	config, mnt string

	saving sync.Mutex // while a file is saved, and while nothing is mounted
}

// newHotRig starts the services, and makes what a mount needs.
func newHotRig(t *testing.T) *hotRig {
	t.Helper()
	s3 := s3test.Start(t)
	kms := startKMS(t, s3)
	r := &hotRig{t: t, convert: startConvert(t, s3, kms)}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r.e = &testscript.Env{WorkDir: dir, Vars: os.Environ()}
	setEnvironment(r.e, s3, kms)
	r.e.Setenv("AWS_ENDPOINT_URL_MEDIACONVERT", r.convert.URL)
	if err := writeConfig(r.e); err != nil {
		t.Fatal(err)
	}
	r.config, r.mnt = filepath.Join(dir, "aws.toml"), filepath.Join(dir, "mnt")
	for _, name := range []string{r.mnt, r.e.Getenv("TMPDIR"), r.e.Getenv("HOME"), filepath.Join(dir, "other")} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { unmountBelow(t, dir) })
	return r
}

// run runs the program.
func (r *hotRig) run(args ...string) {
	r.t.Helper()
	c := exec.Command("mcfs", args...)
	c.Env = r.e.Vars
	if out, err := c.CombinedOutput(); err != nil {
		r.t.Fatalf("mcfs %v: %v\n%s", args, err, out)
	}
}

// mount mounts the volume.
func (r *hotRig) mount() {
	r.t.Helper()
	r.run("mount", "--background", "--config", r.config, r.mnt)
}

// TestWatchKilled: mcfs watch is killed 50 times at random, on two machines, while 200 files are
// saved and answers are lost: each version has one job, and it is noted.
func TestWatchKilled(t *testing.T) {
	r := newHotRig(t)
	e, convert, config, mnt := r.e, r.convert, r.config, r.mnt
	r.mount()
	machines := watchMachines(t, e, config, mnt)

	var saving sync.WaitGroup
	saving.Go(func() { saveFilms(t, mnt, mediaconverttest.Film(t)) })
	var killing sync.WaitGroup
	for _, m := range machines {
		killing.Go(func() {
			for range watchKills / len(machines) {
				convert.FailNext(1, "CreateJob", mediaconverttest.LoseAnswer)
				c := m.start()
				awaitJobs(convert, rand.IntN(4))
				time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond) // in which request it is killed is drawn
				_ = c.Process.Kill()
				_ = c.Wait()
			}
		})
	}
	saving.Wait()
	killing.Wait()
	before := len(convert.Jobs())
	t.Logf("%d jobs when the last was killed", before)
	last := machines[1].start()
	defer last.Wait()
	defer last.Process.Kill()
	checkOnce(t, convert, awaitMarks(t, e, config, machines[1].log.Name(), watchSaves))
	if before < watchSaves/10 {
		t.Errorf("%d jobs were made while the watches were killed: this shows little", before)
	}
}

// watchMachines are two that watch the same: one beside a mount, one by address.
func watchMachines(t *testing.T, e *testscript.Env, config, mnt string) []*machine {
	t.Helper()
	common := []string{"--config", config, "--output", "s3://deliver/{name}/", "--no-audio", "--role", mediaconverttest.Role, "--poll", "1ms", "--every", "1s", "--max-jobs", "8"}
	var machines []*machine
	for i, at := range []string{mnt, e.Getenv("VOLUME_ADDRESS")} {
		log, err := os.Create(filepath.Join(e.WorkDir, fmt.Sprint("log", i)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { log.Close() })
		machines = append(machines, &machine{t, e.Vars, append([]string{"watch", at}, common...), log})
	}
	machines[1].env = append(machines[1].env, "HOME="+filepath.Join(e.WorkDir, "other"))
	return machines
}

// awaitJobs waits until so many more jobs are asked for, but not for long.
func awaitJobs(s *mediaconverttest.Server, more int) {
	begun := s.Count("CreateJob")
	for end := time.Now().Add(3 * time.Second); s.Count("CreateJob") <= begun+more && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// saveFilms saves the files into the mount.
func saveFilms(t *testing.T, mnt string, film []byte) {
	for i := range watchSaves {
		if err := os.WriteFile(filepath.Join(mnt, fmt.Sprintf("film%03d.mkv", i)), film, 0o600); err != nil {
			t.Error(err)
			return
		}
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
	}
}

// awaitMarks waits until a job is noted of each of so many files, and returns them by the versions'
// IVs. Where they do not come it shows a log.
func awaitMarks(t *testing.T, e *testscript.Env, config, log string, files int) map[string]string {
	t.Helper()
	for _, line := range e.Vars {
		for _, name := range []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_REGION="} {
			if len(line) > len(name) && line[:len(name)] == name {
				t.Setenv(name[:len(name)-1], line[len(name):])
			}
		}
	}
	v, err := openStored(config)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		noted := readMarks(t, v, e.Getenv("VOLUME_ADDRESS"))
		if len(noted) == files {
			return noted
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(log)
			t.Fatalf("%d files have a job\n%s", len(noted), text)
		}
	}
}

func readMarks(t *testing.T, v *stored.Volume, address string) map[string]string {
	t.Helper()
	noted := make(map[string]string)
	err := v.EachSettings(t.Context(), address, func(string) bool { return true }, func(address, _ string) bool {
		found, err := v.Look(t.Context(), address)
		if err != nil {
			t.Error(err)
		}
		if found.Job != "" {
			noted[base64.StdEncoding.EncodeToString(found.Settings.IV)] = found.Job
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return noted
}

// checkOnce demands that each version has one job, which is noted.
func checkOnce(t *testing.T, s *mediaconverttest.Server, noted map[string]string) {
	t.Helper()
	of := make(map[string]int)
	for _, j := range s.Jobs() {
		if j.UserMetadata[jobs.Watched] == "" {
			t.Errorf("job %s is of nobody", *j.Id)
		}
		iv := j.UserMetadata[document.IVs]
		if of[iv]++; noted[iv] != *j.Id {
			t.Errorf("of the version %s the job %s is noted, and not %s", iv, noted[iv], *j.Id)
		}
	}
	for iv, n := range of {
		if n != 1 {
			t.Errorf("the version %s has %d jobs", iv, n)
		}
	}
	if len(of) != watchSaves {
		t.Errorf("%d versions have jobs, not %d", len(of), watchSaves)
	}
}
