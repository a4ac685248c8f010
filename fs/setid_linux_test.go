package fs

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// actor is who changes a file.
type actor struct {
	name     string
	uid, gid int
	groups   []int
	bare     bool // root, without any capability but those for files
}

var actors = []actor{
	{name: "root"},
	{name: "root without capabilities", bare: true},
	{name: "the owner", uid: 1001, gid: 1001},
	{name: "the owner, not in the group", uid: 1001, gid: 1009},
	{name: "another, in the group", uid: 1002, gid: 1002, groups: []int{1005, 1001}},
	{name: "another", uid: 1002, gid: 1002, groups: []int{1005}},
}

// do runs f as the actor, on a thread that ends with it.
func (a actor) do(f func() error) error {
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is good for nothing else
		failed <- a.become(f)
	}()
	return <-failed
}

// become makes the calling thread the actor's; package syscall's calls would make all threads his.
func (a actor) become(f func() error) error {
	groups := make([]uint32, 1, 4)
	groups[0] = uint32(a.gid)
	for _, g := range a.groups {
		groups = append(groups, uint32(g))
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0); errno != 0 {
		return errno
	}
	for _, call := range []struct {
		number uintptr
		id     int
	}{{unix.SYS_SETRESGID, a.gid}, {unix.SYS_SETRESUID, a.uid}} {
		id := uintptr(call.id)
		if _, _, errno := unix.RawSyscall(call.number, id, id, id); errno != 0 {
			return errno
		}
	}
	if a.bare {
		if err := onlyFiles(); err != nil {
			return err
		}
	}
	return f()
}

// onlyFiles leaves the thread the capability to open any file, and no other.
func onlyFiles() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	data[0].Effective = 1 << unix.CAP_DAC_OVERRIDE
	data[0].Permitted = data[0].Effective
	return unix.Capset(&header, &data[0])
}

// changesOfContent are what drops setuid and setgid on a disk, and what does not.
var changesOfContent = []struct {
	name string
	do   func(path string) error
}{
	{"write", withFile(os.O_WRONLY, func(fd int) error { _, err := unix.Pwrite(fd, []byte("other"), 2); return err })},
	{"append", withFile(os.O_WRONLY|os.O_APPEND, func(fd int) error { _, err := unix.Write(fd, []byte("other")); return err })},
	{"direct write", withFile(os.O_WRONLY|unix.O_DIRECT, func(fd int) error { _, err := unix.Pwrite(fd, aligned(4096), 0); return err })},
	{"write of the same", withFile(os.O_WRONLY, func(fd int) error { _, err := unix.Pwrite(fd, []byte("xx"), 0); return err })},
	{"truncation of an open file", withFile(os.O_WRONLY, func(fd int) error { return unix.Ftruncate(fd, 3) })},
	{"truncation to the same size", withFile(os.O_WRONLY, func(fd int) error { return unix.Ftruncate(fd, 8192) })},
	{"truncation", func(path string) error { return unix.Truncate(path, 5) }},
	{"O_TRUNC", withFile(os.O_WRONLY|os.O_TRUNC, func(int) error { return nil })},
	{"fallocate", allocate(0)},
	{"keep size", allocate(unix.FALLOC_FL_KEEP_SIZE)},
	{"punch", allocate(unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE)},
	{"zero", allocate(unix.FALLOC_FL_ZERO_RANGE)},
	{"only open", withFile(os.O_RDWR, func(int) error { return nil })},
}

func allocate(mode uint32) func(string) error {
	return withFile(os.O_WRONLY, func(fd int) error { return unix.Fallocate(fd, mode, 0, 4096) })
}

func withFile(flags int, f func(fd int) error) func(string) error {
	return func(path string) error {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return f(fd)
	}
}

// aligned is a buffer as O_DIRECT wants it.
func aligned(n int) []byte {
	data, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	return data
}

// modeNow is the mode alone, as a program asks for it that wants nothing else.
func modeNow(path string) (string, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MODE, &st)
	return fmt.Sprintf("%o", st.Mode&0o7777), err
}

// TestSetIDAsOnADisk compares what changes by all kinds of people leave of setuid and
// setgid with a plain directory, at once and without a word to the kernel.
func TestSetIDAsOnADisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test must become another user: run it as root")
	}
	d, _ := startVolume(t)
	plain := t.TempDir()
	must(t, os.Chmod(filepath.Dir(plain), 0o755))
	for _, a := range actors {
		for _, change := range changesOfContent {
			compareSetID(t, d.mountpoint, plain, "committed", a, 0o6767, change.name, change.do)
			for _, mode := range []uint32{0o6777, 0o2767, 0o4767, 0o777} {
				compareSetID(t, d.mountpoint, plain, ".#not committed", a, mode, change.name, change.do)
			}
		}
	}
	toNobody := func(path string) error { return unix.Chown(path, -1, -1) }
	compareSetID(t, d.mountpoint, plain, "committed", actors[0], 0o6767, "chown to nobody else", toNobody)
}

func compareSetID(t *testing.T, mount, plain, name string, a actor, mode uint32, what string, change func(string) error) {
	t.Helper()
	want := setIDAfter(t, filepath.Join(plain, name), a, mode, change)
	got := setIDAfter(t, filepath.Join(mount, name), a, mode, change)
	if got != want {
		t.Errorf("%s by %s of %o: the mode is %s, on a disk %s", what, a.name, mode, got, want)
	}
}

func setIDAfter(t *testing.T, path string, a actor, mode uint32, change func(string) error) string {
	t.Helper()
	os.Remove(path)
	must(t, os.WriteFile(path, noise(8192), 0o600))
	must(t, os.Chown(path, 1001, 1001))
	must(t, unix.Chmod(path, mode))
	before, err := modeNow(path)
	must(t, err)
	if before != fmt.Sprintf("%o", mode) {
		t.Fatalf("mode %s, just set %o", before, mode)
	}
	if err := a.do(func() error { return change(path) }); err != nil {
		t.Fatalf("as %s: %v", a.name, err)
	}
	after, err := modeNow(path)
	must(t, err)
	return after
}
