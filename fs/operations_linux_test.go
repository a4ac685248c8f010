package fs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/sidecar"
	"mcfs/volume"
)

// The parts of TestMount, each in a directory of its own.

func testWriteAndRead(t *testing.T, dir, state string) {
	path := filepath.Join(dir, "film.mp4")
	data := noise(3<<20 + 5)
	must(t, os.WriteFile(path, data, 0o640))
	wantContent(t, path, data)
	info, err := os.Stat(path)
	must(t, err)
	if info.Size() != int64(len(data)) || info.Mode() != 0o640 {
		t.Errorf("stat: %d bytes, %v", info.Size(), info.Mode())
	}
	object, err := os.ReadFile(filepath.Join(state, "store", filepath.Base(dir), "film.mp4"))
	must(t, err)
	if len(object) != len(data) || bytes.Contains(object, data[:32]) {
		t.Errorf("the object has %d bytes, plaintext %v", len(object), bytes.Contains(object, data[:32]))
	}
	side := sidecar.Name(path)
	text, err := os.ReadFile(side)
	must(t, err)
	if !bytes.Contains(text, []byte("DecryptionSettings")) {
		t.Errorf("the sidecar: %q", text)
	}
	if info, err = os.Stat(side); err != nil || info.Size() != int64(len(text)) {
		t.Errorf("the sidecar's stat: %v, %v; it has %d bytes", info, err, len(text))
	}
	must(t, os.Remove(side))
	wantContent(t, side, text)

	shorter := noise(1000)
	must(t, os.WriteFile(path, shorter, 0o640))
	wantContent(t, path, shorter)
	if again, err := os.ReadFile(side); err != nil || bytes.Equal(again, text) {
		t.Errorf("the sidecar of the next version is the old one (%v)", err)
	}
}

func testAppendAndTruncate(t *testing.T, dir string) {
	path := filepath.Join(dir, "log")
	var want []byte
	for i := range 5 {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		must(t, err)
		line := fmt.Appendf(nil, "line %d\n", i)
		_, err = f.Write(line)
		must(t, err)
		must(t, f.Close())
		want = append(want, line...)
	}
	wantContent(t, path, want)
	must(t, os.Truncate(path, 9))
	wantContent(t, path, want[:9])
	must(t, os.Truncate(path, 12))
	wantContent(t, path, append(want[:9:9], 0, 0, 0))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_TRUNC, 0)
	must(t, err)
	must(t, f.Close())
	wantContent(t, path, nil)
	f, err = os.Open(path)
	must(t, err)
	defer f.Close()
	_, err = f.Write([]byte("x"))
	wantErrno(t, "write to what is open for reading", err, syscall.EBADF)
}

func testHoles(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "sparse"))
	must(t, err)
	defer f.Close()
	const block = 1 << 20
	_, err = f.WriteAt(noise(block), 0)
	must(t, err)
	_, err = f.WriteAt(noise(block), 3*block)
	must(t, err)
	must(t, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, block/2, block/2))
	must(t, unix.Fallocate(int(f.Fd()), 0, 0, 5*block))
	info, err := f.Stat()
	must(t, err)
	if info.Size() != 5*block {
		t.Errorf("size %d after fallocate", info.Size())
	}
	got := make([]byte, block)
	_, err = f.ReadAt(got, 0)
	must(t, err)
	if !bytes.Equal(got[:block/2], noise(block)[:block/2]) || !bytes.Equal(got[block/2:], make([]byte, block/2)) {
		t.Error("the hole is not where it was punched")
	}
	at, err := f.Seek(block/2+1, unix.SEEK_DATA)
	if err != nil || at <= block/2 || at > 3*block {
		t.Errorf("data after the hole: %d, %v", at, err)
	}
	if at, err = f.Seek(0, unix.SEEK_HOLE); err != nil || at < block/2 || at > 5*block {
		t.Errorf("the first hole: %d, %v", at, err)
	}
	_, err = f.Seek(5*block, unix.SEEK_DATA)
	wantErrno(t, "data after the end", err, syscall.ENXIO)
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_COLLAPSE_RANGE, 0, 4096)
	wantErrno(t, "collapse", err, syscall.EOPNOTSUPP)

	to, err := os.Create(filepath.Join(dir, "copy"))
	must(t, err)
	defer to.Close()
	var in, out int64
	for in < 5*block {
		n, err := unix.CopyFileRange(int(f.Fd()), &in, int(to.Fd()), &out, int(5*block-in), 0)
		must(t, err)
		if n == 0 {
			break
		}
	}
	if out != 5*block {
		t.Errorf("copy_file_range copied %d bytes", out)
	}
}

func TestRenameFlags(t *testing.T) {
	for raw, want := range map[uint32]volume.RenameFlags{
		0: 0, unix.RENAME_NOREPLACE: volume.NoReplace, unix.RENAME_EXCHANGE: volume.Exchange,
	} {
		if got, ok := renameFlags(raw); !ok || got != want {
			t.Errorf("%d: %v, %v", raw, got, ok)
		}
	}
	for _, raw := range []uint32{unix.RENAME_WHITEOUT, unix.RENAME_NOREPLACE | unix.RENAME_EXCHANGE, 8} {
		if got, ok := renameFlags(raw); ok {
			t.Errorf("%d: taken for %v", raw, got)
		}
	}
}

func testNames(t *testing.T, dir string) {
	p := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(p("a"), []byte("A"), 0o600))
	must(t, os.WriteFile(p("b"), []byte("B"), 0o600))
	at := func(from, to string, flags uint) error {
		return unix.Renameat2(unix.AT_FDCWD, p(from), unix.AT_FDCWD, p(to), flags)
	}
	wantErrno(t, "rename onto what exists", at("a", "b", unix.RENAME_NOREPLACE), syscall.EEXIST)
	wantErrno(t, "rename with a whiteout", at("a", "c", unix.RENAME_WHITEOUT), syscall.EINVAL)
	must(t, at("b", "c", unix.RENAME_NOREPLACE))
	wantContent(t, p("c"), []byte("B"))
	must(t, os.Rename(p("a"), p("b")))
	wantContent(t, p("b"), []byte("A"))
	must(t, os.Rename(p("c"), p("b")))
	wantContent(t, p("b"), []byte("B"))

	open, err := os.Open(p("b"))
	must(t, err)
	defer open.Close()
	var before, after unix.Stat_t
	must(t, unix.Fstat(int(open.Fd()), &before))
	must(t, os.Mkdir(p("sub"), 0o700))
	must(t, os.Rename(p("b"), p("sub/b")))
	must(t, unix.Stat(p("sub/b"), &after))
	if before.Ino != after.Ino {
		t.Errorf("inode %d became %d by a rename", before.Ino, after.Ino)
	}
	if got, err := io.ReadAll(open); err != nil || string(got) != "B" {
		t.Errorf("read through a rename: %q, %v", got, err)
	}
	wantErrno(t, "rmdir of what is not empty", unix.Rmdir(p("sub")), syscall.ENOTEMPTY)
	must(t, os.Remove(p("sub/b")))
	if _, err := open.Stat(); err != nil {
		t.Errorf("fstat of an unlinked file: %v", err)
	}
	must(t, os.Rename(p("sub"), p("other")))
	must(t, os.Remove(p("other")))

	left, err := os.ReadDir(dir)
	must(t, err)
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func testRefused(t *testing.T, dir string) {
	p := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(p("a"), nil, 0o600))
	wantErrno(t, "link", os.Link(p("a"), p("b")), syscall.EPERM)
	wantErrno(t, "mkfifo", unix.Mkfifo(p("fifo"), 0o600), syscall.ENOTSUP)
	wantErrno(t, "mknod of a socket", unix.Mknod(p("socket"), syscall.S_IFSOCK|0o600, 0), syscall.ENOTSUP)
	if os.Geteuid() == 0 { // nobody else gets as far
		wantErrno(t, "mknod of a device", unix.Mknod(p("null"), syscall.S_IFCHR|0o600, int(unix.Mkdev(1, 3))), syscall.ENOTSUP)
	}
	must(t, unix.Mknod(p("node"), syscall.S_IFREG|0o640, 0))
	if info, err := os.Stat(p("node")); err != nil || info.Mode() != 0o640 || info.Size() != 0 {
		t.Errorf("mknod of a file: %v, %v", info, err)
	}
	wantErrno(t, "mknod again", unix.Mknod(p("node"), syscall.S_IFREG|0o640, 0), syscall.EEXIST)
	_, err := os.Open(p("absent"))
	wantErrno(t, "open", err, syscall.ENOENT)
	_, err = os.OpenFile(p("a"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	wantErrno(t, "O_EXCL", err, syscall.EEXIST)
	wantErrno(t, "mkdir", os.Mkdir(p("a"), 0o700), syscall.EEXIST)
	wantErrno(t, "bad UTF-8", os.WriteFile(p("x\xff"), nil, 0o600), syscall.EILSEQ)
	var fs unix.Statfs_t
	must(t, unix.Statfs(dir, &fs))
	if fs.Bavail == 0 || fs.Files == 0 || fs.Namelen != int64(nameMax) {
		t.Errorf("statfs: %+v", fs)
	}
	must(t, os.WriteFile(p(strings.Repeat("n", nameMax)), nil, 0o600))
	wantErrno(t, "long name", os.WriteFile(p(strings.Repeat("n", nameMax+1)), nil, 0o600), syscall.ENAMETOOLONG)
}

func testAttributes(t *testing.T, dir string) {
	path := filepath.Join(dir, "a")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o604)
	must(t, err)
	_, err = f.WriteString("x")
	must(t, err)
	when := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	must(t, os.Chtimes(path, when, when))
	must(t, f.Close())
	var st unix.Stat_t
	stat := func() {
		t.Helper()
		must(t, unix.Stat(path, &st))
	}
	stat()
	if got := time.Unix(st.Mtim.Unix()); !got.Equal(when) {
		t.Errorf("close moved mtime to %v", got)
	}
	if st.Mode != syscall.S_IFREG|0o604 || st.Nlink != 1 || int(st.Uid) != os.Getuid() {
		t.Errorf("mode %o, links %d, uid %d", st.Mode, st.Nlink, st.Uid)
	}
	must(t, os.Chmod(path, 0))
	if stat(); st.Mode != syscall.S_IFREG {
		t.Errorf("mode %o after chmod 0", st.Mode)
	}
	if err := unix.Access(path, unix.X_OK); !errors.Is(err, syscall.EACCES) {
		t.Errorf("access(X_OK) of a file that is not executable: %v", err)
	}
}

func testXattrs(t *testing.T, dir string) {
	path := filepath.Join(dir, "a")
	must(t, os.WriteFile(path, []byte("x"), 0o600))
	buf := make([]byte, 100)
	_, err := unix.Getxattr(path, "user.none", buf)
	wantErrno(t, "get what is not there", err, syscall.ENODATA)
	must(t, unix.Setxattr(path, "user.mime", []byte("video/mp4"), unix.XATTR_CREATE))
	must(t, unix.Setxattr(path, "user.empty", nil, 0))
	wantErrno(t, "create twice", unix.Setxattr(path, "user.mime", nil, unix.XATTR_CREATE), syscall.EEXIST)
	wantErrno(t, "replace what is not there", unix.Setxattr(path, "user.no", nil, unix.XATTR_REPLACE), syscall.ENODATA)
	if n, err := unix.Getxattr(path, "user.mime", buf); err != nil || string(buf[:n]) != "video/mp4" {
		t.Errorf("get: %q, %v", buf[:max(n, 0)], err)
	}
	if n, err := unix.Getxattr(path, "user.mime", nil); err != nil || n != 9 {
		t.Errorf("size: %d, %v", n, err)
	}
	_, err = unix.Getxattr(path, "user.mime", buf[:3])
	wantErrno(t, "get into too little", err, syscall.ERANGE)
	n, err := unix.Listxattr(path, buf)
	must(t, err)
	if got := strings.Split(string(buf[:n]), "\x00"); !slices.Equal(got, []string{"user.empty", "user.mime", ""}) {
		t.Errorf("list: %q", got)
	}
	must(t, unix.Removexattr(path, "user.mime"))
	wantErrno(t, "remove twice", unix.Removexattr(path, "user.mime"), syscall.ENODATA)
	wantErrno(t, "too much", unix.Setxattr(path, "user.big", noise(4000), 0), syscall.ENOSPC)
	wantErrno(t, "a label", unix.Setxattr(path, "security.mine", []byte("x"), 0), syscall.ENOTSUP)
}

// testSetid needs root, to write as somebody else: everything else of it runs as anybody.
func testSetid(t *testing.T, dir string) {
	path := filepath.Join(dir, "tool")
	mode := func() os.FileMode {
		t.Helper()
		time.Sleep(believed + 100*time.Millisecond) // the kernel's memory of the mode
		info, err := os.Stat(path)
		must(t, err)
		return info.Mode()
	}
	must(t, os.WriteFile(path, []byte("x"), 0o777))
	must(t, os.Chmod(path, 0o777|os.ModeSetuid|os.ModeSetgid))
	if got := mode(); got != 0o777|os.ModeSetuid|os.ModeSetgid {
		t.Fatalf("mode %v", got)
	}
	must(t, os.Chown(path, os.Getuid(), os.Getgid()))
	if got := mode(); got != 0o777 {
		t.Errorf("mode %v after chown", got)
	}
	must(t, os.Chmod(path, 0o767|os.ModeSetuid|os.ModeSetgid))
	must(t, os.Chown(path, os.Getuid(), os.Getgid()))
	if got := mode(); got != 0o767|os.ModeSetgid {
		t.Errorf("mode %v after chown of what the group may not run", got)
	}
	must(t, os.Chmod(dir, 0o777|os.ModeSetgid))
	must(t, os.Mkdir(filepath.Join(dir, "below"), 0o755))
	if info, err := os.Stat(filepath.Join(dir, "below")); err != nil || info.Mode()&os.ModeSetgid == 0 {
		t.Errorf("a directory below a setgid one: %v, %v", info.Mode(), err)
	}
	if os.Geteuid() != 0 {
		return
	}
	for _, script := range []string{"echo y >> " + path, ": > " + path} {
		must(t, os.Chmod(path, 0o777|os.ModeSetuid|os.ModeSetgid))
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
		if got := mode(); got != 0o777 {
			t.Errorf("mode %v after %s", got, script)
		}
	}
}

func testListing(t *testing.T, dir string) {
	const files = 50
	for i := range files {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d", i)), []byte{1}, 0o600))
	}
	f, err := os.Open(dir)
	must(t, err)
	defer f.Close()
	for range 2 { // and again after a rewind
		seen := make(map[string]bool)
		buf := make([]byte, 1000) // several requests
		for {
			n, err := unix.Getdents(int(f.Fd()), buf)
			must(t, err)
			if n <= 0 {
				break
			}
			_, _, names := unix.ParseDirent(buf[:n], -1, nil)
			for _, name := range names {
				if seen[name] {
					t.Errorf("%s twice", name)
				}
				seen[name] = true
			}
		}
		if len(seen) != 2*files { // each with its sidecar
			t.Errorf("%d names", len(seen))
		}
		_, err = f.Seek(0, io.SeekStart)
		must(t, err)
	}
	list, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range list {
		info, err := e.Info()
		if err != nil || info.Size() == 0 || !info.Mode().IsRegular() {
			t.Errorf("%s: %v, %v", e.Name(), info, err)
		}
	}
	raw := make([]byte, 4096)
	_, err = f.Seek(0, io.SeekStart)
	must(t, err)
	n, err := unix.Getdents(int(f.Fd()), raw)
	must(t, err)
	if !bytes.Contains(raw[:n], []byte("\x04.\x00")) || !bytes.Contains(raw[:n], []byte("\x04..\x00")) {
		t.Error("neither . nor .. is listed first")
	}
}

func testSync(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "a"))
	must(t, err)
	_, err = f.WriteString("x")
	must(t, err)
	must(t, f.Sync())
	must(t, unix.Fdatasync(int(f.Fd())))
	must(t, f.Close())
	d, err := os.Open(dir)
	must(t, err)
	defer d.Close()
	must(t, d.Sync())
}
