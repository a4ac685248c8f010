package model

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

// settings make everything happen often: a small spool evicts, and listings are
// stale soon. The spool still holds all drafts that a run can have.
func settings(mode string) rig.Settings {
	return rig.Settings{
		"crypt.mode": fmt.Sprintf("%q", mode), "spool.max_size": `"64MiB"`, "mount.fresh": `"100ms"`, "upload.timeout": `"20s"`,
		"mount.local_only": `["*~", "*-journal"]`,
	}
}

// trouble is what the rig found wrong; it ends a run as any difference does.
type trouble struct{ text string }

func (t trouble) Error() string { return t.text }

// bench is the testing.TB of a world: a world that failed is thrown away and
// its run repeated in another to find a shorter script, so its failures are the
// run's, and its end is not that of the test.
type bench struct {
	testing.TB
	cleanups []func()
	troubles []string
	log      string
	ending   bool
}

func (b *bench) Errorf(format string, args ...any) {
	b.troubles = append(b.troubles, fmt.Sprintf(format, args...))
}
func (b *bench) Error(args ...any) { b.Errorf("%s", fmt.Sprintln(args...)) }
func (b *bench) Fatalf(format string, args ...any) {
	b.Errorf(format, args...)
	if !b.ending {
		panic(trouble{strings.Join(b.troubles, "\n")})
	}
}
func (b *bench) Fatal(args ...any) { b.Fatalf("%s", fmt.Sprintln(args...)) }
func (b *bench) Failed() bool      { return len(b.troubles) > 0 }
func (b *bench) Cleanup(f func())  { b.cleanups = append(b.cleanups, f) }

// TempDir is there until the world ends.
func (b *bench) TempDir() string {
	dir, err := os.MkdirTemp("", "mcfs-model-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			b.Error(err)
		}
	})
	return dir
}

// Logf keeps the log of the last daemon that failed.
func (b *bench) Logf(format string, args ...any) {
	if strings.HasPrefix(format, "the daemon's log") {
		b.log = fmt.Sprintf(format, args...)
	}
}

func (b *bench) found() error {
	if !b.Failed() {
		return nil
	}
	return trouble{strings.Join(b.troubles, "\n")}
}

// world is a bucket with a mount; runs follow each other in directories of their own.
type world struct {
	bench *bench
	small bool
	rig   *rig.Rig
	mount *rig.Mount
	spool int
	runs  int
	disk  string
}

func newWorld(t testing.TB, mode string, small bool) *world {
	b := &bench{TB: t}
	w := &world{bench: b, small: small, disk: b.TempDir()}
	if small {
		w.rig = smallRig(b, mode)
	} else {
		w.rig = rig.New(b, settings(mode))
	}
	w.take(w.rig.Mount(w.spoolName()))
	return w
}

func (w *world) spoolName() string { return fmt.Sprintf("%d", w.spool) }

// end takes everything down, and returns the daemon's last words if something was wrong.
func (w *world) end(failed bool) string {
	if failed {
		w.bench.Errorf("the run failed")
	}
	w.bench.ending = true
	for _, f := range slices.Backward(w.bench.cleanups) {
		f()
	}
	return w.bench.log
}

// limit is how long one system call may take: the longest that the daemon may
// try, and more. Longer is a hang, and the daemon's goroutines are printed.
const limit = 60 * time.Second

// within makes a call in the mount under the watchdog.
func (w *world) within(what string, f func()) {
	w.mount.Within(limit, what, func() error { f(); return nil })
}

// settle waits until S3 has the files, each with its sidecar, and the bare keys,
// all below the run's directory, and nothing else but perhaps the optional ones.
func (w *world) settle(dir string, files, bare, optional []string) error {
	want := slices.Clone(bare)
	for _, f := range files {
		want = append(want, f, f+rig.SidecarSuffix)
	}
	slices.Sort(want)
	var got, uploads []string
	asked, begun := -1, time.Now()
	for last := begun; time.Since(last) < limit && time.Since(begun) < 5*limit; time.Sleep(10 * time.Millisecond) {
		if n := w.rig.S3.Proxy.Count(""); n != asked { // on a busy machine much may be left to do
			asked, last = n, time.Now()
		}
		got = slices.DeleteFunc(w.keys(dir), func(k string) bool {
			return slices.Contains(optional, k) || slices.Contains(optional, strings.TrimSuffix(k, rig.SidecarSuffix))
		})
		uploads = w.rig.Uploads()
		if slices.Equal(got, want) && len(uploads) == 0 {
			return nil
		}
	}
	return fmt.Errorf("S3 did not settle: missing %q, too many %q, unfinished uploads %q", without(want, got), without(got, want), uploads)
}

func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// keys are those below a directory of the volume, relative to it.
func (w *world) keys(dir string) []string {
	var below []string
	for _, k := range w.rig.Keys() {
		if rest, ok := strings.CutPrefix(k, rig.Prefix+dir+"/"); ok && rest != "" {
			below = append(below, rest)
		}
	}
	return below
}

// released waits until the mount takes no file as being written, of which all are closed. It
// leaves a moment between the last close of a file that was only created or truncated and its
// commit; a crash within that leaves it as a killed writer's, which is not published by itself.
func (w *world) released() error {
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		out, err := w.mount.Mcfs(limit, "status", "--json", w.mount.Dir)
		if err != nil {
			return fmt.Errorf("status: %w\n%s", err, out)
		}
		var doc struct {
			Mounts []struct {
				Drafts []struct {
					Path, State string
				}
			}
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil || len(doc.Mounts) != 1 {
			return fmt.Errorf("status: %w\n%s", err, out)
		}
		writing := ""
		for _, d := range doc.Mounts[0].Drafts {
			if d.State == "writing" {
				writing = d.Path
			}
		}
		switch {
		case writing == "":
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%s is being written, and nobody has it open", writing)
		}
	}
}

// remount ends the daemon in an orderly way, and mounts with the same spool.
func (w *world) remount() error {
	w.mount.Unmount()
	if err := w.bench.found(); err != nil {
		return err
	}
	w.forgetMount()
	w.take(w.mount.Again())
	return nil
}

// fresh mounts with a new spool, so that all that is there comes from S3.
func (w *world) fresh() error {
	w.mount.Unmount()
	if err := w.bench.found(); err != nil {
		return err
	}
	w.forgetMount()
	if err := os.RemoveAll(w.rig.Spool(w.spoolName())); err != nil {
		return err
	}
	w.spool++
	w.take(w.rig.Mount(w.spoolName()))
	return nil
}

// kill ends the daemon as a power failure would, and mounts again.
func (w *world) kill() error {
	w.mount.Kill()
	if out, err := w.mount.Mcfs(20*time.Second, "unmount", w.mount.Dir); err != nil {
		return fmt.Errorf("unmount of a dead mount: %w\n%s", err, out)
	}
	w.forgetMount()
	w.take(w.mount.Again())
	return nil
}

// forgetMount runs what the rig wanted to do at the end about a mount that has
// ended already: thousands of them would pile up.
func (w *world) forgetMount() {
	last := len(w.bench.cleanups) - 1
	f := w.bench.cleanups[last]
	w.bench.cleanups = w.bench.cleanups[:last]
	f()
}

// proof decrypts every object below a directory by its sidecar alone.
func (w *world) proof(dir string) (map[string]string, error) {
	sums := w.rig.Proof()
	below := make(map[string]string)
	for k, sum := range sums {
		if rest, ok := strings.CutPrefix(k, dir+"/"); ok {
			below[rest] = sum
		}
	}
	return below, w.bench.found()
}

// forgetNames has the kernel forget every name and inode of the mount that is
// not open, as it does when memory is short: a remount drops them, and no other
// file system's.
func (w *world) forgetNames() error {
	var at unix.Statfs_t
	if err := unix.Statfs(w.mount.Dir, &at); err != nil {
		return err
	}
	flags := uintptr(at.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME)
	return unix.Mount("", w.mount.Dir, "", unix.MS_REMOUNT|flags, "")
}

func (w *world) mountRoot(dir string) string { return filepath.Join(w.mount.Dir, dir) }
