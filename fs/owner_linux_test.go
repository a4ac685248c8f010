package fs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOwnerOfAll: in a mount with an owner for all, what somebody else makes is the
// owner's, and runs as nobody but who starts it.
func TestOwnerOfAll(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test must become another user: run it as root")
	}
	d, _ := startVolume(t, "owned")
	at := func(name string) string { return filepath.Join(d.mountpoint, name) }
	must(t, os.Mkdir(at("open"), 0o777))
	must(t, os.Chmod(at("open"), 0o777))
	must(t, os.Mkdir(at("group"), 0o777))
	must(t, os.Chown(at("group"), 1001, 1005))
	must(t, unix.Chmod(at("group"), 0o2777))
	old := unix.Umask(0) // of all threads
	defer unix.Umask(old)
	all := func() error {
		for _, dir := range []string{"open", "group"} {
			fd, err := unix.Open(at(dir+"/file"), unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o6755)
			if err != nil {
				return err
			}
			var made unix.Stat_t
			if err := unix.Fstat(fd, &made); err != nil {
				return err
			}
			if made.Mode&unix.S_ISUID != 0 { // before a write drops it
				t.Errorf("%s/file is born with mode %o", dir, made.Mode)
			}
			if _, err := unix.Write(fd, []byte("written by who made it")); err != nil {
				return err
			}
			if err := unix.Close(fd); err != nil {
				return err
			}
			if err := unix.Mkdir(at(dir+"/dir"), 0o755); err != nil {
				return err
			}
			if err := unix.Symlink("file", at(dir+"/link")); err != nil {
				return err
			}
		}
		return nil
	}
	must(t, actor{uid: 1002, gid: 1002}.do(all))
	for name, want := range map[string]string{
		"open/file": "1001:1003 100755", "open/dir": "1001:1003 40755", "open/link": "1001:1003 120777",
		"group/file": "1001:1005 100755", "group/dir": "1001:1005 42755", "group/link": "1001:1005 120777",
	} {
		var st unix.Stat_t
		must(t, unix.Lstat(at(name), &st))
		if got := fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, st.Mode); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}
