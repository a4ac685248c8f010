package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// builds are the binaries of this run, in a folder that Main removes.
var builds struct {
	mu  sync.Mutex
	dir string
	got map[bool]string
}

// Main runs a package's tests; call it from TestMain and exit with its result.
func Main(m *testing.M) int {
	syscall.Umask(0o022) // configurations that others may write are refused
	dir, err := os.MkdirTemp("", "mcfs-e2e-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	builds.dir, builds.got = dir, make(map[bool]string)
	return m.Run()
}

// Binary is the program, built at its first use, with the race detector or without.
func Binary(tb testing.TB, race bool) string {
	tb.Helper()
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if builds.dir == "" {
		tb.Fatal("rig.Main must run the tests")
	}
	if path := builds.got[race]; path != "" {
		return path
	}
	path := filepath.Join(builds.dir, fmt.Sprintf("mcfs-race-%v", race))
	args := []string{"build", "-o", path}
	if race {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "mcfs/cmd/mcfs")...).CombinedOutput()
	if err != nil {
		tb.Fatalf("build mcfs: %v\n%s", err, out)
	}
	builds.got[race] = path
	return path
}

// packages are where programs come from, for the one who lacks them.
var packages = map[string]string{
	"ffmpeg": "ffmpeg", "ffprobe": "ffmpeg", "node": "nodejs", "openssl": "openssl", "rsync": "rsync",
	"tar": "tar", "diff": "diffutils", "cmp": "diffutils", "find": "findutils", "fusermount3": "fuse3",
	"dd": "coreutils", "df": "coreutils", "cp": "coreutils", "bash": "bash", "python3": "python3",
	"mv": "coreutils", "rm": "coreutils", "install": "coreutils", "setpriv": "util-linux", "prlimit": "util-linux", "strace": "strace", "git": "git", "vim": "vim", "nano": "nano",
	"tmux": "tmux", "sqlite3": "sqlite3", "zip": "zip", "unzip": "unzip", "sed": "sed", "xargs": "findutils",
	"Xvfb": "xvfb", "xdotool": "xdotool", "mousepad": "mousepad", "dbus-run-session": "dbus-daemon", "gio": "libglib2.0-bin",
}

// Need fails the test if a program is missing, and names its package.
func Need(tb testing.TB, programs ...string) {
	tb.Helper()
	var missing []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, fmt.Sprintf("%s is not installed: install the package %s", p, packages[p]))
		}
	}
	if len(missing) > 0 {
		tb.Fatal(strings.Join(missing, "\n"))
	}
}
