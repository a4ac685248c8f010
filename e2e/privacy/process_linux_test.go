package privacy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// TestNoCoreDump: the daemon leaves no core dump, and is closed to other
// processes: what the system tells of it belongs to root, not to its group.
func TestNoCoreDump(t *testing.T) {
	rig.Need(t, "setpriv")
	r := rig.New(t, nil)
	r.Before = []string{"setpriv", fmt.Sprintf("--regid=%d", stranger), "--clear-groups"}
	m := r.Mount("a")
	proc := filepath.Join("/proc", fmt.Sprint(m.PID()))
	if limit := field(t, proc+"/limits", "Max core file size"); strings.Join(strings.Fields(limit)[:2], " ") != "0 0" {
		t.Errorf("core dumps are limited to %s", limit)
	}
	if own := gid(t, proc+"/environ"); own != 0 {
		t.Errorf("%s belongs to group %d: the process can be dumped and traced", proc, own)
	}
	other := exec.Command("setpriv", append(r.Before[1:], "sleep", "60")...)
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	m.Within(10*time.Second, "a process that others may look into", func() error {
		for gid(t, fmt.Sprintf("/proc/%d/environ", other.Process.Pid)) != stranger {
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	m.Unmount()
}

func gid(t *testing.T, path string) int {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return int(st.Gid)
}

// TestMemoryLocked: memory stays out of the swap where a privilege allows it;
// where nothing does, the log says so, and the mount works all the same.
func TestMemoryLocked(t *testing.T) {
	rig.Need(t, "setpriv", "prlimit")
	for _, c := range []struct {
		name   string
		before []string
		locked bool
	}{
		{"privileged", nil, true},
		{"without privilege", []string{"prlimit", "--memlock=65536:65536", "setpriv", "--bounding-set=-ipc_lock"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rig.New(t, nil)
			r.Before = c.before
			m := r.Mount("a")
			m.Shell(`echo text >f; cat f`)
			locked := field(t, fmt.Sprintf("/proc/%d/status", m.PID()), "VmLck:") != "0 kB"
			said := len(m.LogLines("may come into the swap", "the limit is 64 KiB")) > 0
			if locked != c.locked || said == c.locked {
				t.Errorf("locked: %v, said not to be: %v", locked, said)
			}
			m.Unmount()
		})
	}
}

// field is the rest of a line of a file in /proc.
func field(t *testing.T, path, name string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("%s has no %s", path, name)
	return ""
}
