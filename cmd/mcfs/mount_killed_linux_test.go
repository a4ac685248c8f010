package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/mediaconverttest"
)

const (
	mountSaves = 60
	mountKills = 12
)

// watchedConfig makes the configuration one with a hot folder.
func (r *hotRig) watchedConfig() {
	r.t.Helper()
	text, err := os.ReadFile(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	more := fmt.Sprintf("[[watch]]\nmatch = ['*.mkv']\noutput = 's3://deliver/{name}/'\nno_audio = true\nrole = %q\npoll = '1ms'\nevery = '1s'\nmax_jobs = 8\n", mediaconverttest.Role)
	if err := os.WriteFile(r.config, append(text, more...), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// kill kills the daemon of the mount, and mounts again. Meanwhile nothing is saved, which would
// come into the bare directory.
func (r *hotRig) kill() {
	r.t.Helper()
	locks, err := filepath.Glob(filepath.Join(r.e.Getenv("HOME"), ".local/state/mcfs/*/lock"))
	if err != nil || len(locks) != 1 {
		r.t.Fatalf("spools: %q, %v", locks, err)
	}
	text, err := os.ReadFile(locks[0])
	if err != nil {
		r.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		r.t.Fatal(err)
	}
	for !isDead(strconv.Itoa(pid)) { // until then its sockets are open
		time.Sleep(time.Millisecond)
	}
	r.saving.Lock()
	defer r.saving.Unlock()
	r.run("unmount", r.mnt)
	r.mount()
}

// log is the name of the daemon's log.
func (r *hotRig) log() string {
	logs, _ := filepath.Glob(filepath.Join(r.e.Getenv("HOME"), ".local/state/mcfs/*/mcfs.log"))
	if len(logs) == 0 {
		return ""
	}
	return logs[0]
}

// save saves a file again and again until that has succeeded.
func (r *hotRig) save(name string, content []byte) {
	for end := time.Now().Add(time.Minute); ; {
		err := r.saveOnce(name, content)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			r.t.Errorf("save %s: %v", name, err)
			return
		}
		time.Sleep(5 * time.Millisecond) // the mount comes back
	}
}

func (r *hotRig) saveOnce(name string, content []byte) error {
	r.saving.Lock()
	defer r.saving.Unlock()
	return os.WriteFile(filepath.Join(r.mnt, name), content, 0o600)
}

// TestMountKilled: the daemon of a mount that watches a hot folder is killed 12 times at random
// while 60 files are saved and answers are lost: each version that has a job has one, and each
// file's is noted.
func TestMountKilled(t *testing.T) {
	r := newHotRig(t)
	r.watchedConfig()
	r.mount()
	var saving sync.WaitGroup
	film := mediaconverttest.Film(t)
	saving.Go(func() {
		for i := range mountSaves {
			r.save(fmt.Sprintf("film%02d.mkv", i), film)
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		}
	})
	for i := range mountKills {
		r.convert.FailNext(1, "CreateJob", mediaconverttest.LoseAnswer)
		awaitJobs(r.convert, 0)
		if i%2 == 1 { // each other time a job is there, and not noted yet
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		}
		r.kill()
	}
	saving.Wait()
	before := len(r.convert.Jobs())
	noted := awaitMarks(t, r.e, r.config, r.log(), mountSaves)
	jobs := make(map[string][]string)
	for _, j := range r.convert.Jobs() {
		iv := j.UserMetadata[document.IVs]
		jobs[iv] = append(jobs[iv], *j.Id)
	}
	for iv, list := range jobs {
		if len(list) != 1 {
			t.Errorf("the version %s has the jobs %q", iv, list)
		}
	}
	for iv, id := range noted {
		if len(jobs[iv]) != 1 || jobs[iv][0] != id {
			t.Errorf("of the version %s the job %s is noted, and it has %q", iv, id, jobs[iv])
		}
	}
	if before < mountKills/2 {
		t.Errorf("%d jobs were made while the daemon was killed: this shows little", before)
	}
	r.run("unmount", r.mnt)
}
