package fs

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// thorough reports whether each combination is tried, as make conformance does; else it
// is those alone that differ in kind.
func thorough() bool { return os.Getenv("MCFS_CONFORMANCE") != "" }

// TestKindsOfNameAsOnADisk makes each call with each kind of name in a plain directory and
// in a mount: the outcome, and all that is there afterwards, must be the same.
func TestKindsOfNameAsOnADisk(t *testing.T) {
	p := newPair(t, buildKinds).makeAhead()
	list := kinds
	if !thorough() {
		list = []string{"/file", "/full", "/tofile", "/dangling", "/absent", "/file/x", "/todir/"}
	}
	for _, c := range namedCalls {
		for _, kind := range list {
			p.compare(c.name+" of "+kind, c.name, actor{}, func(dir string) error { return c.do(dir, dir+kind) })
		}
		p.compare(c.name+" of nothing", c.name, actor{}, func(dir string) error { return c.do(dir, "") })
	}
}

// TestRenamesAsOnADisk renames each kind of name to each.
func TestRenamesAsOnADisk(t *testing.T) {
	p := newPair(t, buildKinds).makeAhead()
	list := kinds
	if !thorough() {
		list = []string{"/file", "/full", "/todir", "/absent", "/file/x"}
	}
	for what, flags := range map[string]uint{"rename": 0, "rename, if nothing is there,": unix.RENAME_NOREPLACE, "exchange": unix.RENAME_EXCHANGE} {
		for _, from := range list {
			for _, to := range append(slices.Clone(list), from+"/inner") {
				p.compare(what+" of "+from+" to "+to, "rename", actor{}, func(dir string) error { return renameAt(dir+from, dir+to, flags) })
			}
		}
	}
}

// buildLongest makes a file and a directory with the longest of names.
func buildLongest(dir string) error {
	long := longest(dir, 0)
	if err := os.WriteFile(long, []byte("abc"), 0o644); err != nil {
		return err
	}
	if err := os.Mkdir(dir+"/empty", 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir+"/spare", 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(longest(dir+"/empty", 0), 0o755); err != nil {
		return err
	}
	return os.WriteFile(dir+"/other", []byte("other"), 0o644)
}

// longest is a name in dir, as long as one can be and so many bytes longer.
func longest(dir string, more int) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		panic(err)
	}
	return dir + "/" + strings.Repeat("n", int(st.Namelen)+more)
}

// padded is a path of so many bytes that leads to a name in dir.
func padded(dir, name string, length int) string {
	return dir + strings.Repeat("/", length-len(dir)-len(name)) + name
}

// TestLengthsAsOnADisk makes each call with names and paths as long as they can be, and
// longer.
func TestLengthsAsOnADisk(t *testing.T) {
	p := newPair(t, buildLongest).makeAhead()
	const withEnd = unix.PathMax - 1
	for what, path := range map[string]func(dir string) string{
		"the longest name":               func(d string) string { return longest(d, 0) },
		"a directory's longest name":     func(d string) string { return longest(d+"/empty", 0) },
		"the longest name that is not":   func(d string) string { return longest(d+"/spare", 0) },
		"a name that is too long":        func(d string) string { return longest(d, 1) },
		"one that is much too long":      func(d string) string { return longest(d, 2000) },
		"below one that is too long":     func(d string) string { return longest(d, 1) + "/x" },
		"below the longest":              func(d string) string { return longest(d, 0) + "/x" },
		"the longest path":               func(d string) string { return padded(d, "other", withEnd) },
		"the longest path of nothing":    func(d string) string { return padded(d, "absent", withEnd) },
		"the longest path of a dir":      func(d string) string { return padded(d, "empty", withEnd) },
		"a path that is too long":        func(d string) string { return padded(d, "other", withEnd+1) },
		"one of nothing that is so":      func(d string) string { return padded(d, "absent", withEnd+1) },
		"one that is much too long, too": func(d string) string { return padded(d, "empty", 2*withEnd) },
	} {
		for _, c := range namedCalls {
			p.compare(c.name+" of "+what, c.name, actor{}, func(dir string) error { return c.do(dir, path(dir)) })
		}
	}
}

// TestReadOnlyAsOnADisk makes each call with each kind of name in a mount that is read-only
// and in a plain directory that is.
func TestReadOnlyAsOnADisk(t *testing.T) {
	p := newPair(t, buildKinds)
	must(t, unix.Mount("plain", p.disk, "tmpfs", 0, "mode=755"))
	t.Cleanup(func() { must(t, unix.Unmount(p.disk, unix.MNT_DETACH)) })
	p.renew()
	for _, dir := range []string{p.disk, p.mount} { // as -o ro
		must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""))
	}
	for _, c := range namedCalls {
		for _, kind := range kinds {
			p.compare(c.name+" of "+kind, "read-only", actor{}, func(dir string) error { return c.do(dir, dir+kind) })
		}
	}
	for _, by := range []actor{owner, another} {
		for _, c := range namedCalls {
			p.compare(c.name+" by "+by.name, "read-only", by, func(dir string) error { return c.do(dir, dir+"/file") })
		}
	}
}

// TestProgramThatRunsAsOnADisk: what runs is not written, and what is written does not run.
func TestProgramThatRunsAsOnADisk(t *testing.T) {
	cat, err := exec.LookPath("cat")
	must(t, err)
	program, err := os.ReadFile(cat)
	must(t, err)
	p := newPair(t, func(dir string) error {
		if err := os.WriteFile(dir+"/file", program, 0o755); err != nil {
			return err
		}
		return os.WriteFile(dir+"/other", nil, 0o755)
	})
	disk, mount := p.sides()
	for _, dir := range []string{disk, mount} {
		must(t, os.Mkdir(dir+"/spare", 0o755))
		cmd := exec.Command(dir + "/file")
		cmd.Dir = "/"
		in, err := cmd.StdinPipe()
		must(t, err)
		must(t, cmd.Start()) // returns when the program runs
		t.Cleanup(func() {
			must(t, in.Close())
			must(t, cmd.Wait())
		})
	}
	p.before = tree(t, disk)
	for _, c := range namedCalls {
		if c.name == "unlink" || strings.HasPrefix(c.name, "rename") || strings.HasPrefix(c.name, "exchange") || strings.HasPrefix(c.name, "link") {
			continue // they take the name from it
		}
		want, got := c.do(disk, disk+"/file"), c.do(mount, mount+"/file")
		if want != got {
			t.Errorf("%s of a program that runs: %v, on a disk %v", c.name, got, want)
		}
	}
	for _, dir := range []string{disk, mount} {
		fd, err := unix.Open(dir+"/other", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		must(t, err)
		err = exec.Command(dir + "/other").Run()
		must(t, unix.Close(fd))
		wantErrno(t, "to run what is being written in "+dir, err, unix.ETXTBSY)
	}
}
