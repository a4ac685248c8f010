package fs

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// testTooLong: a name longer than statfs tells gives ENAMETOOLONG in every call, be it one
// byte longer or one that only FUSE itself would still take; so does what is beyond the
// other limits that the kernel's own calls know.
func testTooLong(t *testing.T, dir string) {
	there := filepath.Join(dir, "there")
	must(t, os.WriteFile(there, nil, 0o600))
	must(t, os.Mkdir(there+".d", 0o700))
	for _, n := range []int{nameMax + 1, 255, 256, 1024, 1025, 4000} {
		name := filepath.Join(dir, strings.Repeat("n", n))
		for call, f := range tooLongCalls(there, name) {
			wantErrno(t, call, f(), syscall.ENAMETOOLONG)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 3 { // a sidecar, perhaps
		t.Errorf("left: %v, %v", left, err)
	}
	deep := filepath.Join(dir, strings.Repeat("d/", 2100))
	wantErrno(t, "a path beyond PATH_MAX", os.Mkdir(deep, 0o700), syscall.ENAMETOOLONG)
	wantErrno(t, "a target beyond PATH_MAX", os.Symlink(strings.Repeat("t", 4096), filepath.Join(dir, "link")), syscall.ENAMETOOLONG)
	target := strings.Repeat("t", 4095)
	must(t, os.Symlink(target, filepath.Join(dir, "link")))
	if got, err := os.Readlink(filepath.Join(dir, "link")); err != nil || got != target {
		t.Errorf("readlink: %d bytes, %v", len(got), err)
	}
	wantErrno(t, "an attribute's name", unix.Setxattr(there, "user."+strings.Repeat("x", 251), nil, 0), syscall.ERANGE)
	wantErrno(t, "an attribute's value", unix.Setxattr(there, "user.x", make([]byte, 64<<10+1), 0), syscall.E2BIG)
	must(t, unix.Setxattr(there, "user."+strings.Repeat("x", 250), []byte("v"), 0))
	wantErrno(t, "more than S3 takes", unix.Setxattr(there, "user.x", make([]byte, 64<<10), 0), syscall.ENOSPC)
}

// tooLongCalls are the calls that take a name; there is a file, and there.d a directory.
func tooLongCalls(there, name string) map[string]func() error {
	var st unix.Stat_t
	var fs unix.Statfs_t
	b := make([]byte, 10)
	open := func(flags int) func() error {
		return func() error { _, err := unix.Open(name, flags, 0o600); return err }
	}
	return map[string]func() error{
		"stat":        func() error { return unix.Stat(name, &st) },
		"lstat":       func() error { return unix.Lstat(name, &st) },
		"statfs":      func() error { return unix.Statfs(name, &fs) },
		"access":      func() error { return unix.Access(name, unix.R_OK) },
		"open":        open(unix.O_RDONLY),
		"create":      open(unix.O_CREAT | unix.O_RDWR),
		"exclusive":   open(unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY),
		"truncate":    func() error { return unix.Truncate(name, 1) },
		"chmod":       func() error { return unix.Chmod(name, 0o600) },
		"chown":       func() error { return unix.Lchown(name, os.Geteuid(), os.Getegid()) },
		"utimes":      func() error { return unix.Utimes(name, make([]unix.Timeval, 2)) },
		"unlink":      func() error { return unix.Unlink(name) },
		"rmdir":       func() error { return unix.Rmdir(name) },
		"mkdir":       func() error { return unix.Mkdir(name, 0o700) },
		"mknod":       func() error { return unix.Mknod(name, unix.S_IFREG|0o600, 0) },
		"mkfifo":      func() error { return unix.Mkfifo(name, 0o600) },
		"symlink":     func() error { return unix.Symlink("target", name) },
		"readlink":    func() error { _, err := unix.Readlink(name, b); return err },
		"link from":   func() error { return unix.Link(name, there+".link") },
		"link to":     func() error { return unix.Link(there, name) },
		"rename":      func() error { return unix.Rename(name, there+".new") },
		"rename to":   func() error { return unix.Rename(there, name) },
		"a directory": func() error { return unix.Rename(there+".d", name) },
		"exchange":    func() error { return unix.Renameat2(unix.AT_FDCWD, there, unix.AT_FDCWD, name, unix.RENAME_EXCHANGE) },
		"noreplace":   func() error { return unix.Renameat2(unix.AT_FDCWD, there, unix.AT_FDCWD, name, unix.RENAME_NOREPLACE) },
		"chdir":       func() error { return unix.Chdir(name) },
		"setxattr":    func() error { return unix.Setxattr(name, "user.a", b, 0) },
		"getxattr":    func() error { _, err := unix.Getxattr(name, "user.a", b); return err },
		"listxattr":   func() error { _, err := unix.Listxattr(name, b); return err },
		"removexattr": func() error { return unix.Removexattr(name, "user.a") },
		"below":       func() error { return unix.Stat(filepath.Join(name, "x"), &st) },
	}
}
