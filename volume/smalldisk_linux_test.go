package volume

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"mcfs/crypt"
	"mcfs/spool"
)

// inNamespace runs the test once more, in a process with a mount namespace of
// its own, in which it may mount; it says whether this is that process.
func inNamespace(t *testing.T) bool {
	const mark = "MCFS_TEST_IN_NAMESPACE"
	if os.Getenv(mark) == t.Name() {
		if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// disk mounts a small one at the path.
func disk(t *testing.T, path string, flags uintptr, size int) {
	t.Helper()
	if err := unix.Mount("small", path, "tmpfs", flags, fmt.Sprintf("size=%d,mode=700", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) }) // once is enough
}

// TestFullDisk: while files are being written, somebody fills the disk of the
// spool, up to so many bytes that one write of it fails after the other: of
// blocks, of a map, of the journal. What is asked for then is done, or refused
// with an error and not done; when there is room again all goes on, and the next
// mount finds what was said to be done.
func TestFullDisk(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := newRig(t, crypt.CTR)
	r.close()
	home := filepath.Join(r.home, "spool-small")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	disk(t, home, 0, 48<<20)
	r.open("spool-small")
	ballast := filepath.Join(home, "ballast")
	refused, done := 0, 0
	expected := make(map[string]string)
	for i, room := range []int64{0, 4, 8, 12, 16, 24, 40, 264} {
		name := func(s string) string { return fmt.Sprint(s, "-", i) }
		r.save(name("old"), []byte(name("old")))
		r.save(name("gone"), []byte("x"))
		p := random(200_000 + i)
		h := r.create(name("new"), os.O_TRUNC)
		r.write(h, p, 0)
		r.fillDisk(home, ballast, room<<10)
		try := func(what string, f func() error) bool {
			err := f()
			if err == nil {
				done++
				return true
			}
			refused++
			if !errors.Is(err, ErrFull) && !errors.Is(err, ErrIO) && !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%s with %d KiB of room: %v", what, room, err)
			}
			return false
		}
		try("fsync", func() error { return h.Fsync(t.Context()) })
		if try("rename", func() error { return r.rename(name("old"), name("moved"), 0) }) {
			expected[name("moved")], expected[name("old")] = name("old"), ""
		} else {
			expected[name("moved")], expected[name("old")] = "", name("old")
		}
		if try("unlink", func() error { return r.v.Root().Remove(t.Context(), name("gone")) }) {
			expected[name("gone")] = ""
		} else {
			expected[name("gone")] = "x"
		}
		try("mkdir", func() error {
			_, err := r.v.Root().Mkdir(t.Context(), name("dir"), 0o755, 0, 0)
			return err
		})
		try("write", func() error { _, err := h.WriteAt(t.Context(), random(3<<20), 1<<20); return err })
		try("close", func() error { return h.Flush(t.Context(), nil) })
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		r.truncate(h, 0)
		r.write(h, p, 0)
		if err := h.Flush(t.Context(), nil); err != nil && !errors.Is(err, ErrIO) { // its next try may be a while away
			t.Error(err)
		}
		h.Release()
		expected[name("new")] = string(p)
	}
	if refused < 5 || done < 5 {
		t.Errorf("%d refused, %d done", refused, done)
	}
	t.Logf("%d refused, %d done", refused, done)
	for range 2 {
		r.sync()
		for name, want := range expected {
			n, err := r.v.Root().Lookup(t.Context(), name)
			switch {
			case want == "" && errors.Is(err, ErrNotExist):
			case want == "" || err != nil:
				t.Errorf("%s: %v, %v", name, n, err)
			default:
				r.reads(name, want)
			}
		}
		r.close()
		r.fillDisk(home, ballast, 0)
		r.open("spool-small") // it is of use all the same, as far as reading goes
		r.reads("new-0", expected["new-0"])
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	r.truthful()
	r.close()
}

// fillDisk leaves so much room on the disk of dir.
func (r *rig) fillDisk(dir, ballast string, room int64) {
	r.t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		r.t.Fatal(err)
	}
	if n := int64(st.Bavail)*st.Bsize - room; n > 0 {
		err := os.WriteFile(ballast, make([]byte, n), 0o600)
		if err != nil && !errors.Is(err, syscall.ENOSPC) { // the mount may have been faster
			r.t.Fatal(err)
		}
	}
}

// TestReadOnlyDisk: a spool that cannot be written is refused at the start, by name.
func TestReadOnlyDisk(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	home := t.TempDir()
	disk(t, home, 0, 16<<20)
	o := spool.Options{Dir: filepath.Join(home, "spool"), MaxSize: 1 << 20}
	s, err := spool.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	disk(t, home, unix.MS_REMOUNT|unix.MS_RDONLY, 16<<20)
	if _, err := spool.Open(o); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), o.Dir) {
		t.Errorf("open: %v", err)
	}
	if _, err := spool.Open(spool.Options{Dir: filepath.Join(home, "other"), MaxSize: 1 << 20}); !errors.Is(err, syscall.EROFS) {
		t.Errorf("open of a new one: %v", err)
	}
}
