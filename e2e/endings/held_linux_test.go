package endings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// TestKillWhileADirectoryIsHeld kills the daemon while somebody waits for an answer in
// a directory, which the kernel holds for that long, and while news of that directory
// has just come from another machine: all that waits ends, and so does the daemon.
func TestKillWhileADirectoryIsHeld(t *testing.T) {
	const entries = 1200 // too many for one page: each new name is looked up by itself
	r := rig.New(t, rig.Settings{"mount.fresh": `"1s"`})
	m := r.Mount("one")
	m.Shell("mkdir d; echo hello > d/first")
	m.Unmount()
	dir := filepath.Join(r.S3.Dir, r.S3.Bucket, rig.Prefix, "d")
	for i := range entries {
		for _, suffix := range []string{"", rig.SidecarSuffix} {
			if err := os.Link(filepath.Join(dir, "first"+suffix), filepath.Join(dir, fmt.Sprintf("entry %04d%s", i, suffix))); err != nil {
				t.Fatal(err)
			}
		}
	}
	m = m.Again()
	r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
		return s3test.Fault{Hang: strings.HasSuffix(q.Query.Get("prefix"), "d/new")}
	})
	m.Shell("stat 'd/entry 0500'")
	read := make(chan error, 1)
	go func() {
		_, err := m.TryShell(rig.Limit, "cat d/new") // of which nothing is known yet: it waits for ten seconds
		read <- err
	}()
	for _, suffix := range []string{"", rig.SidecarSuffix} {
		if err := os.Remove(filepath.Join(dir, "entry 0500"+suffix)); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(1200 * time.Millisecond) // what was seen is not fresh any more
	m.Shell("! stat 'd/entry 0500'; sleep 1")
	begun := time.Now()
	m.Kill()
	if err := <-read; err == nil {
		t.Error("a file was read that is not there")
	}
	if took := time.Since(begun); took > soon {
		t.Errorf("killed, and what waited ended after %v", took)
	}
	r.S3.Proxy.Hook(nil)
	m.Bury()
	m = m.Again()
	if got := m.Shell("ls d | wc -l"); got != fmt.Sprintln(2*entries) {
		t.Errorf("%s entries", got)
	}
	m.Unmount()
}
