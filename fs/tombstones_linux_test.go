package fs

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"mcfs/sidecar"
)

// testTombstones has each system call meet the name of a sidecar that has gone with its file.
func testTombstones(t *testing.T, dir string) {
	opened := func(flags int) func(string) error {
		return func(path string) error {
			fd, err := unix.Openat(unix.AT_FDCWD, path, flags, 0o644)
			if err == nil {
				err = unix.Close(fd)
			}
			return err
		}
	}
	for what, c := range map[string]struct {
		call func(path string) error
		want error
	}{
		"stat":                           {func(path string) error { return unix.Lstat(path, new(unix.Stat_t)) }, nil},
		"open of what is looked at only": {opened(unix.O_PATH), nil},
		"unlink":                         {unix.Unlink, nil},
		"open to be read":                {opened(unix.O_RDONLY), syscall.ENOENT},
		"open to be written":             {opened(unix.O_WRONLY), syscall.ENOENT},
		"open to be emptied":             {opened(unix.O_WRONLY | unix.O_TRUNC), syscall.ENOENT},
		"chmod":                          {func(path string) error { return unix.Chmod(path, 0o600) }, syscall.ENOENT},
		"truncate":                       {func(path string) error { return unix.Truncate(path, 0) }, syscall.ENOENT},
		"link":                           {func(path string) error { return unix.Link(path, path+".link") }, syscall.ENOENT},
		"open to be made":                {opened(unix.O_WRONLY | unix.O_CREAT), nil},
		"open to be made or read":        {opened(unix.O_RDONLY | unix.O_CREAT), nil},
		"open to be made anew":           {opened(unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL), nil},
		"openat2 to be made": {func(path string) error {
			fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_WRONLY | unix.O_CREAT, Mode: 0o644})
			if err == nil {
				err = unix.Close(fd)
			}
			return err
		}, nil},
		"mkdir":   {func(path string) error { return unix.Mkdir(path, 0o755) }, nil},
		"symlink": {func(path string) error { return unix.Symlink("target", path) }, nil},
		"mknod":   {func(path string) error { return unix.Mknod(path, unix.S_IFREG|0o644, 0) }, nil},
		"rename of another onto it": {func(path string) error {
			if err := os.WriteFile(path+".new", []byte("notes"), 0o644); err != nil {
				return err
			}
			return unix.Rename(path+".new", path)
		}, nil},
		"cp": {func(path string) error { return exec.Command("cp", "/etc/hostname", path).Run() }, nil},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(dir, what)
			must(t, os.Mkdir(dir, 0o755))
			path := filepath.Join(dir, "f")
			must(t, os.WriteFile(path, []byte("content"), 0o644))
			must(t, os.Remove(path))
			err := c.call(sidecar.Name(path))
			if c.want == nil {
				must(t, err)
			} else {
				wantErrno(t, what, err, c.want.(syscall.Errno))
			}
			must(t, os.RemoveAll(dir))
		})
	}
}
