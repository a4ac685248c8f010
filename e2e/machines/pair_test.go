package machines

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// A change is seen on another machine when its listing (fresh) and the kernel's
// memory of names and attributes (1 s) have run out; slack is for a busy computer.
const (
	fresh  = time.Second
	seenIn = fresh + time.Second
	slack  = 2 * time.Second
)

// conflicts are lines of a daemon's log that a conflict explains.
const conflicts = `level=ERROR msg="(another machine saved|file cannot be committed; its draft is in quarantine|a sealed file was moved to quarantine)`

// machine is one of the mounts.
type machine struct {
	*rig.Mount
	t *testing.T
}

// newPair is two machines on one volume.
func newPair(t *testing.T, s rig.Settings) (r *rig.Rig, a, b *machine) {
	t.Helper()
	all := rig.Settings{"mount.fresh": fmt.Sprintf("%q", fresh)}
	maps.Copy(all, s)
	r = rig.New(t, all)
	a, b = &machine{r.Mount("a"), t}, &machine{r.Mount("b"), t}
	a.Expect(conflicts)
	b.Expect(conflicts)
	return r, a, b
}

// newBehind is a pair of which b holds what it has seen of first, which a saved, for the
// truth until it is mounted again: what b does not know of a's later saves is not left to time.
func newBehind(t *testing.T, first map[string]string) (r *rig.Rig, a, b *machine) {
	t.Helper()
	r = rig.New(t, rig.Settings{"mount.fresh": `"1h"`})
	a = &machine{r.Mount("a"), t}
	for name, text := range first {
		a.save(name, text)
	}
	b = &machine{r.Mount("b"), t}
	a.Expect(conflicts)
	b.Expect(conflicts)
	for name, text := range first {
		b.sees(name, text)
	}
	return r, a, b
}

// again mounts both machines anew, when all that they have to do is done.
func again(a, b *machine) (*machine, *machine) {
	unmount(b, a)
	a, b = &machine{a.Again(), a.t}, &machine{b.Again(), b.t}
	a.Expect(conflicts)
	b.Expect(conflicts)
	return a, b
}

// do calls f, which touches the mount and must not hang.
func (m *machine) do(what string, f func() error) {
	m.t.Helper()
	m.Within(30*time.Second, what, f)
}

// save writes a whole file as a shell does.
func (m *machine) save(name, text string) {
	m.t.Helper()
	m.do("save "+name, func() error { return os.WriteFile(m.Path(name), []byte(text), 0o644) })
}

// open opens a file; its owner closes it.
func (m *machine) open(name string, flags int) *os.File {
	m.t.Helper()
	var f *os.File
	m.do("open "+name, func() (err error) {
		f, err = os.OpenFile(m.Path(name), flags, 0o644)
		return err
	})
	return f
}

// finish closes a file and demands an outcome; nil: none.
func (m *machine) finish(f *os.File, want error) {
	m.t.Helper()
	m.do("close", func() error {
		if err := f.Close(); !errors.Is(err, want) {
			return fmt.Errorf("close gave %v, want %v", err, want)
		}
		return nil
	})
}

// rename and remove are the system calls.
func (m *machine) rename(from, to string) {
	m.t.Helper()
	m.do("rename", func() error { return os.Rename(m.Path(from), m.Path(to)) })
}

func (m *machine) remove(name string) {
	m.t.Helper()
	m.do("remove", func() error { return os.Remove(m.Path(name)) })
}

// finished waits until the bucket holds exactly these keys besides sidecars, below the prefix.
func finished(r *rig.Rig, t *testing.T, keys ...string) {
	t.Helper()
	r.Settle(20*time.Second, keys)
}

// until waits for what the machine is to see within the limit.
func (m *machine) until(limit time.Duration, what string, f func() error) {
	m.t.Helper()
	m.do(what, func() error {
		begun := time.Now()
		for {
			err := f()
			if err == nil {
				m.t.Logf("%s: after %v", what, time.Since(begun).Round(10*time.Millisecond))
				return nil
			}
			if time.Since(begun) > limit {
				return fmt.Errorf("not after %v: %w", limit, err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
}

// sees waits until a file reads so.
func (m *machine) sees(name, text string) {
	m.t.Helper()
	m.until(seenIn+slack, "see "+name, func() error {
		got, err := os.ReadFile(m.Path(name))
		if err == nil && string(got) != text {
			err = fmt.Errorf("it reads %q, not %q", clip(got), clip([]byte(text)))
		}
		return err
	})
}

// misses waits until a name is not there.
func (m *machine) misses(name string) {
	m.t.Helper()
	m.until(seenIn+slack, "miss "+name, func() error {
		if _, err := os.Lstat(m.Path(name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("it is there (%v)", err)
		}
		return nil
	})
}

func clip(p []byte) []byte { return p[:min(len(p), 60)] }

var conflictNote = regexp.MustCompile(` \(conflict [^)]* \d{4}-\d\d-\d\d \d{6}\.\d{3}\)`)

// plainName takes host and time out of a conflict name.
func plainName(name string) string { return conflictNote.ReplaceAllString(name, " (conflict)") }

// tree is what a machine shows: every file's content by its plain name, "dir"
// for directories, what went wrong for what cannot be read.
func (m *machine) tree() map[string]string {
	files := make(map[string]string)
	err := filepath.WalkDir(m.Dir, func(path string, d fs.DirEntry, err error) error {
		name := plainName(strings.TrimPrefix(path, m.Dir+"/"))
		switch {
		case err != nil:
			files[name] = err.Error()
		case path == m.Dir, strings.HasSuffix(name, rig.SidecarSuffix):
		case d.IsDir():
			files[name] = "dir"
		default:
			text, err := os.ReadFile(path)
			if err != nil {
				text = []byte(err.Error())
			}
			files[name] = string(text)
		}
		return nil
	})
	if err != nil {
		files["."] = err.Error()
	}
	return files
}

// agree waits until all is committed, and demands that the bucket and both
// machines hold exactly these files, each object with a sidecar that decrypts it.
func agree(r *rig.Rig, want map[string]string, all ...*machine) {
	for _, m := range all {
		m.t.Helper()
		m.until(20*time.Second, "agree", func() error {
			if got := m.tree(); !maps.Equal(got, want) {
				return fmt.Errorf("the mount shows %s, want %s", brief(got), brief(want))
			}
			return nil
		})
	}
	for deadline := time.Now().Add(10 * time.Second); objects(r) != 2*files(want) && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	inBucket(r, all[0].t, want)
}

// objects counts those in the bucket, directories' markers aside; files counts in a tree.
func objects(r *rig.Rig) (n int) {
	for _, key := range r.Keys() {
		if !strings.HasSuffix(key, "/") {
			n++
		}
	}
	return n
}

func files(tree map[string]string) (n int) {
	for _, text := range tree {
		if text != "dir" {
			n++
		}
	}
	return n
}

// inBucket demands that S3 holds these files and nothing else.
func inBucket(r *rig.Rig, t *testing.T, want map[string]string) {
	t.Helper()
	got, sums := make(map[string]string), make(map[string]string)
	for name, sum := range r.Proof() {
		got[plainName(name)] = sum
	}
	for name, text := range want {
		if text != "dir" {
			sums[name] = digest(text)
		}
	}
	if !maps.Equal(got, sums) {
		t.Errorf("the bucket holds %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(sums)))
	}
	for _, key := range r.Keys() {
		name := strings.TrimPrefix(key, rig.Prefix)
		base, isSide := strings.CutSuffix(name, rig.SidecarSuffix)
		if _, ok := sums[plainName(base)]; !ok && !strings.HasSuffix(name, "/") {
			t.Errorf("the bucket holds %q, which no file explains", name)
		}
		if !isSide && !strings.HasSuffix(name, "/") && !slices.Contains(r.Keys(), key+rig.SidecarSuffix) {
			t.Errorf("%q has no sidecar", name)
		}
	}
	if left := r.Uploads(); len(left) > 0 {
		t.Errorf("unfinished uploads: %q", left)
	}
}

func brief(files map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&b, "%s=%q ", name, clip([]byte(files[name])))
	}
	return b.String()
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// inode is the number of what stands under a name.
func (m *machine) inode(name string) (ino uint64) {
	m.t.Helper()
	m.do("stat "+name, func() error {
		info, err := os.Lstat(m.Path(name))
		if err == nil {
			ino = info.Sys().(*syscall.Stat_t).Ino
		}
		return err
	})
	return ino
}

func unmount(all ...*machine) {
	for _, m := range all {
		m.Unmount()
	}
}
