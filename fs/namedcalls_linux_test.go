package fs

import (
	"os"

	"golang.org/x/sys/unix"
)

// namedCall is a system call that takes a name. dir is a directory that has a file "other"
// and nothing called "made".
type namedCall struct {
	name string
	do   func(dir, path string) error
}

// namedCalls are all of them but for rename, which takes two.
var namedCalls = []namedCall{
	{"stat", func(_, p string) error { return unix.Stat(p, new(unix.Stat_t)) }},
	{"lstat", func(_, p string) error { return unix.Lstat(p, new(unix.Stat_t)) }},
	{"statfs", func(_, p string) error { return unix.Statfs(p, new(unix.Statfs_t)) }},
	{"access", func(_, p string) error { return unix.Access(p, unix.R_OK) }},
	{"access to run", func(_, p string) error { return unix.Access(p, unix.X_OK) }},
	{"open", opening(unix.O_RDONLY)},
	{"open to write", opening(unix.O_WRONLY)},
	{"open for both", opening(unix.O_RDWR)},
	{"open to append", opening(unix.O_WRONLY | unix.O_APPEND)},
	{"open and empty", opening(unix.O_WRONLY | unix.O_TRUNC)},
	{"open to read, and empty", opening(unix.O_RDONLY | unix.O_TRUNC)},
	{"open, not followed", opening(unix.O_RDONLY | unix.O_NOFOLLOW)},
	{"open a directory", opening(unix.O_RDONLY | unix.O_DIRECTORY)},
	{"open the path", opening(unix.O_PATH)},
	{"open the path, not followed", opening(unix.O_PATH | unix.O_NOFOLLOW)},
	{"create", opening(unix.O_CREAT | unix.O_RDWR)},
	{"create and empty", opening(unix.O_CREAT | unix.O_TRUNC | unix.O_WRONLY)},
	{"create to read", opening(unix.O_CREAT | unix.O_RDONLY)},
	{"create anew", opening(unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY)},
	{"create, not followed", opening(unix.O_CREAT | unix.O_NOFOLLOW | unix.O_WRONLY)},
	{"create a directory", opening(unix.O_CREAT | unix.O_DIRECTORY)},
	{"nameless", opening(unix.O_TMPFILE | unix.O_WRONLY)},
	{"truncate", func(_, p string) error { return unix.Truncate(p, 1) }},
	{"truncate up", func(_, p string) error { return unix.Truncate(p, 9) }},
	{"truncate below nothing", func(_, p string) error { return unix.Truncate(p, -1) }},
	{"chmod", func(_, p string) error { return unix.Chmod(p, 0o705) }},
	{"chown", func(_, p string) error { return unix.Chown(p, 1001, 1002) }},
	{"chown to nobody else", func(_, p string) error { return unix.Chown(p, -1, -1) }},
	{"lchown", func(_, p string) error { return unix.Lchown(p, 1001, 1002) }},
	{"utimens", settingTimes(0, unix.Timespec{Sec: 1e9, Nsec: 1}, unix.Timespec{Sec: 1e8, Nsec: 2})},
	{"utimens, not followed", settingTimes(unix.AT_SYMLINK_NOFOLLOW, unix.Timespec{Sec: 1e9}, unix.Timespec{Sec: 1e8})},
	{"utimens of now", settingTimes(0, unix.Timespec{Nsec: unix.UTIME_NOW}, unix.Timespec{Nsec: unix.UTIME_NOW})},
	{"utimens of atime", settingTimes(0, unix.Timespec{Sec: 1e9}, unix.Timespec{Nsec: unix.UTIME_OMIT})},
	{"utimens of mtime", settingTimes(0, unix.Timespec{Nsec: unix.UTIME_OMIT}, unix.Timespec{Sec: 1e9})},
	{"utimens of neither", settingTimes(0, unix.Timespec{Nsec: unix.UTIME_OMIT}, unix.Timespec{Nsec: unix.UTIME_OMIT})},
	{"utimens of too many nanoseconds", settingTimes(0, unix.Timespec{Nsec: 1e9}, unix.Timespec{})},
	{"unlink", func(_, p string) error { return unix.Unlink(p) }},
	{"rmdir", func(_, p string) error { return unix.Rmdir(p) }},
	{"mkdir", func(_, p string) error { return unix.Mkdir(p, 0o750) }},
	{"mknod", func(_, p string) error { return unix.Mknod(p, unix.S_IFREG|0o640, 0) }},
	{"mkfifo", func(_, p string) error { return unix.Mkfifo(p, 0o640) }},
	{"symlink", func(_, p string) error { return unix.Symlink("other", p) }},
	{"readlink", func(_, p string) error { _, err := unix.Readlink(p, make([]byte, 9)); return err }},
	{"readlink into nothing", func(_, p string) error { _, err := unix.Readlink(p, nil); return err }},
	{"link from", func(d, p string) error { return unix.Link(p, d+"/made") }},
	{"link to", func(d, p string) error { return unix.Link(d+"/other", p) }},
	{"setxattr", func(_, p string) error { return unix.Setxattr(p, "user.set", []byte("v"), 0) }},
	{"setxattr anew", func(_, p string) error { return unix.Setxattr(p, "user.kept", []byte("v"), unix.XATTR_CREATE) }},
	{"setxattr again", func(_, p string) error { return unix.Setxattr(p, "user.none", []byte("v"), unix.XATTR_REPLACE) }},
	{"getxattr", func(_, p string) error { _, err := unix.Getxattr(p, "user.kept", make([]byte, 9)); return err }},
	{"getxattr of none", func(_, p string) error { _, err := unix.Getxattr(p, "user.none", make([]byte, 9)); return err }},
	{"listxattr", func(_, p string) error { _, err := unix.Listxattr(p, make([]byte, 99)); return err }},
	{"removexattr", func(_, p string) error { return unix.Removexattr(p, "user.kept") }},
	{"removexattr of none", func(_, p string) error { return unix.Removexattr(p, "user.none") }},
	{"lsetxattr", func(_, p string) error { return unix.Lsetxattr(p, "user.set", []byte("v"), 0) }},
	{"lgetxattr", func(_, p string) error { _, err := unix.Lgetxattr(p, "user.kept", make([]byte, 9)); return err }},
	{"llistxattr", func(_, p string) error { _, err := unix.Llistxattr(p, make([]byte, 99)); return err }},
	{"lremovexattr", func(_, p string) error { return unix.Lremovexattr(p, "user.kept") }},
	{"rename here", func(d, p string) error { return unix.Rename(d+"/other", p) }},
	{"rename away", func(d, p string) error { return unix.Rename(p, d+"/made") }},
	{"rename a directory here", func(d, p string) error { return unix.Rename(d+"/spare", p) }},
	{"rename to itself", func(_, p string) error { return unix.Rename(p, p) }},
	{"rename here, if nothing is", func(d, p string) error { return renameAt(d+"/other", p, unix.RENAME_NOREPLACE) }},
	{"exchange", func(d, p string) error { return renameAt(d+"/other", p, unix.RENAME_EXCHANGE) }},
	{"exchange with a directory", func(d, p string) error { return renameAt(p, d+"/spare", unix.RENAME_EXCHANGE) }},
}

func opening(flags int) func(_, path string) error {
	return func(_, path string) error {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o640)
		if err == nil {
			err = unix.Close(fd)
		}
		return err
	}
}

func settingTimes(flags int, times ...unix.Timespec) func(_, path string) error {
	return func(_, path string) error { return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, flags) }
}

func renameAt(from, to string, flags uint) error {
	return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, flags)
}

// buildKinds makes one of each kind that a name may lead to.
func buildKinds(dir string) error {
	for _, step := range []func() error{
		func() error { return os.WriteFile(dir+"/file", []byte("abc"), 0o644) },
		func() error { return unix.Setxattr(dir+"/file", "user.kept", []byte("v"), 0) },
		func() error { return os.WriteFile(dir+"/other", []byte("other"), 0o644) },
		func() error { return os.Mkdir(dir+"/spare", 0o755) },
		func() error { return os.Mkdir(dir+"/empty", 0o755) },
		func() error { return os.Mkdir(dir+"/full", 0o755) },
		func() error { return unix.Setxattr(dir+"/full", "user.kept", []byte("v"), 0) },
		func() error { return os.WriteFile(dir+"/full/below", []byte("below"), 0o600) },
		func() error { return os.Symlink("file", dir+"/tofile") },
		func() error { return os.Symlink("full", dir+"/todir") },
		func() error { return os.Symlink("absent", dir+"/dangling") },
		func() error { return os.Symlink("loop", dir+"/loop") },
		func() error { return os.Symlink("two", dir+"/one") },
		func() error { return os.Symlink("one", dir+"/two") },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// kinds are the names that calls are given, below the directory that buildKinds has filled.
var kinds = []string{
	"/file", "/empty", "/full", "/tofile", "/todir", "/dangling", "/loop", "/one", "/absent", "/full/below",
	"/absent/x", "/file/x", "/loop/x", "/tofile/x", "/dangling/x", "/todir/below", "/todir/x",
	"/file/", "/empty/", "/full/", "/tofile/", "/todir/", "/dangling/", "/loop/", "/absent/",
	"/.", "/empty/.", "/empty/..", "/file/.", "/absent/.", "/todir/.", "/absent/..", "//empty//", "/other",
}
