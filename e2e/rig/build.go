package rig

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mcfs/internal/memorytest"
)

// builds are the binaries of this run, in a folder that Main removes.
var builds struct {
	mu  sync.Mutex
	dir string
	got map[bool]string
}

// Main runs a package's tests; call it from TestMain and exit with its result.
func Main(m *testing.M) int {
	if status, ok := play(); ok {
		return status
	}
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

// Together lets n of a package's parallel tests run at once, where fewer would: call it from
// TestMain of tests that wait for most of their time.
func Together(n int) {
	flag.Parse()
	if n <= runtime.GOMAXPROCS(0) {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(n)); err != nil {
		panic(err)
	}
}

// MainInMemory is Main with temporary files in memory, for tests that compare nothing with a disk.
func MainInMemory(m *testing.M) int {
	if status, ok := play(); ok {
		return status
	}
	done := memorytest.Use()
	defer done()
	return Main(m)
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
	if err := build(path, race); err != nil {
		tb.Fatalf("build mcfs: %v", err)
	}
	builds.got[race] = path
	return path
}

// build makes the program at path. The packages of a run share one in the user's cache,
// a folder for each work tree, where the go command links again only what has changed; a
// copy is what a package keeps while the next one may build.
func build(path string, race bool) (err error) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "mcfs").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	cache = filepath.Join(cache, "mcfs-test")
	dir := filepath.Join(cache, fmt.Sprintf("bin-%x", sha256.Sum256(module))[:20])
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chtimes(dir, time.Time{}, time.Now()), prune(cache)); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // and with it goes the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	shared := filepath.Join(dir, filepath.Base(path))
	args, env := []string{"build", "-o", shared, "-trimpath"}, "CGO_ENABLED=0" // as packages have it
	if race {
		args, env = []string{"build", "-o", shared, "-race"}, "CGO_ENABLED=1"
	}
	c := exec.Command("go", append(args, "mcfs/cmd/mcfs")...)
	c.Env = append(os.Environ(), env)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	// By a process of its own: a descriptor for writing that a child inherited here would
	// keep the program from being started.
	if out, err := exec.Command("cp", shared, path).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w\n%s", err, out)
	}
	return nil
}

// unused is how long a work tree's folder stays in which nothing is built.
const unused = 7 * 24 * time.Hour

// prune removes the folders of work trees that are not used any more.
func prune(cache string) error {
	folders, err := filepath.Glob(filepath.Join(cache, "bin-*"))
	if err != nil {
		return err
	}
	for _, folder := range folders {
		info, err := os.Stat(folder)
		if err != nil || time.Since(info.ModTime()) < unused {
			continue // used, or gone meanwhile
		}
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	return nil
}

// packages are where programs come from, for the one who lacks them.
var packages = map[string]string{
	"ffmpeg": "ffmpeg", "ffprobe": "ffmpeg", "node": "nodejs", "openssl": "openssl", "rsync": "rsync",
	"tar": "tar", "diff": "diffutils", "cmp": "diffutils", "find": "findutils", "fusermount3": "fuse3",
	"dd": "coreutils", "df": "coreutils", "cp": "coreutils", "bash": "bash", "python3": "python3",
	"mv": "coreutils", "rm": "coreutils", "install": "coreutils", "setpriv": "util-linux", "prlimit": "util-linux", "strace": "strace", "git": "git", "vim": "vim", "nano": "nano",
	"tmux": "tmux", "sqlite3": "sqlite3", "zip": "zip", "unzip": "unzip", "sed": "sed", "xargs": "findutils",
	"Xvfb": "xvfb", "xdotool": "xdotool", "mousepad": "mousepad", "dbus-run-session": "dbus-daemon", "gio": "libglib2.0-bin",
	"gcc": "gcc", "ar": "binutils", "perl": "perl", "patch": "patch", "wget": "wget", "curl": "curl", "aria2c": "aria2", "yt-dlp": "yt-dlp", "7z": "p7zip-full", "qpdf": "qpdf",
	"exiftool": "libimage-exiftool-perl", "AtomicParsley": "atomicparsley", "restic": "restic", "borg": "borgbackup", "unison": "unison", "lftp": "lftp", "axel": "axel", "ziptool": "ziptool", "smbclient": "smbclient", "chromium": "chromium",
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
