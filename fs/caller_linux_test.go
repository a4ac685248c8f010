package fs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/volume"
)

func TestProcessIdentity(t *testing.T) {
	me, threads := identify(os.Getpid()), make(chan volume.Process)
	if me == nil {
		t.Fatal("unknown to myself")
	}
	for range 3 {
		go func() {
			runtime.LockOSThread()
			threads <- identify(syscall.Gettid())
		}()
		if p := <-threads; p == nil || !p.Same(me) || !me.Same(p) {
			t.Errorf("a thread of mine is %+v, I am %+v", p, me)
		}
	}
	if got := me.Fate(); got != volume.Alive {
		t.Errorf("I am %s", fateNames[got])
	}
	if me.Same(nil) {
		t.Error("the same as nobody")
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	p := identify(child.Process.Pid)
	if p == nil || p.Same(me) || me.Same(p) {
		t.Errorf("a child is %+v, I am %+v", p, me)
	}
	if got := p.Fate(); got != volume.Alive {
		t.Errorf("a living child is %s", fateNames[got])
	}
	child.Process.Kill()
	awaitZombie(t, child.Process.Pid)
	if got := p.Fate(); got != volume.Gone {
		t.Errorf("a dead child is %s", fateNames[got])
	}
	child.Wait()
	if got := p.Fate(); got != volume.Gone {
		t.Errorf("a buried child is %s", fateNames[got])
	}
	if q := identify(child.Process.Pid); q != nil {
		t.Errorf("a buried child is found: %+v", q)
	}
	reused := linuxProcess{tgid: os.Getpid(), tid: os.Getpid(), start: 1}
	if reused.Same(me) || reused.Fate() != volume.Gone {
		t.Error("a reused id was taken for the process that had it")
	}
}

func awaitZombie(t *testing.T, pid int) taskStat {
	t.Helper()
	for range 500 {
		s, err := readStat(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			t.Fatal(err)
		}
		if s.dead() {
			return s
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("does not die")
	return taskStat{}
}

// The kernel's word for the end of real processes, as it stands in a zombie.
func TestJudgeRealEnds(t *testing.T) {
	for script, want := range map[string]volume.Fate{
		"exit 0":                         volume.Exiting,
		"exit 200":                       volume.Exiting,
		"kill -KILL $$":                  volume.Killed,
		"kill -TERM $$":                  volume.Killed,
		"ulimit -c 0; kill -SEGV $$":     volume.Killed,
		"trap 'exit 143' TERM; kill $$;": volume.Exiting,
	} {
		cmd := exec.Command("sh", "-c", script)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s := awaitZombie(t, cmd.Process.Pid)
		st, err := readStatus(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "status"))
		if err != nil {
			t.Fatal(err)
		}
		if got := judge(s, st, true, true); got != want {
			t.Errorf("%s: %s, want %s (%+v)", script, fateNames[got], fateNames[want], s)
		}
		cmd.Wait()
	}
}

func TestJudge(t *testing.T) {
	kill, quit, usr1 := signalSet(unix.SIGKILL), signalSet(unix.SIGQUIT), signalSet(unix.SIGUSR1)
	for _, c := range []struct {
		name          string
		s             taskStat
		st            taskStatus
		mayRead, full bool
		want          volume.Fate
	}{
		{"running", taskStat{}, taskStatus{}, true, true, volume.Alive},
		{"stopped shows SIGSTOP as code", taskStat{exitCode: 19}, taskStatus{}, true, true, volume.Alive},
		{"some signal pending", taskStat{}, taskStatus{pending: usr1}, true, true, volume.Alive},
		{"SIGQUIT pending", taskStat{}, taskStatus{pending: quit}, true, true, volume.Killed},
		{"SIGQUIT handled", taskStat{}, taskStatus{pending: quit, caught: quit}, true, true, volume.Alive},
		{"SIGQUIT ignored", taskStat{}, taskStatus{pending: quit, ignored: quit}, true, true, volume.Alive},
		{"SIGQUIT blocked", taskStat{}, taskStatus{pending: quit, blocked: quit}, true, true, volume.Alive},
		{"SIGKILL pending", taskStat{exitCode: 9}, taskStatus{pending: kill}, true, true, volume.Killed},
		{"a sibling exits", taskStat{}, taskStatus{pending: kill}, true, true, volume.Exiting},
		{"a sibling exits with 7", taskStat{exitCode: 7 << 8}, taskStatus{pending: kill}, true, true, volume.Exiting},
		{"SIGKILL pending, code hidden", taskStat{}, taskStatus{pending: kill}, false, true, volume.Killed},
		{"SIGKILL pending, old kernel", taskStat{}, taskStatus{pending: kill}, true, false, volume.Killed},
		{"exits, code hidden", taskStat{flags: taskExiting}, taskStatus{}, false, true, volume.Exiting},
		{"killed, code hidden", taskStat{flags: taskExiting | taskSignaled}, taskStatus{}, false, true, volume.Killed},
		{"exits, old kernel", taskStat{flags: taskExiting}, taskStatus{}, true, false, volume.Exiting},
		{"killed, old kernel", taskStat{flags: taskExiting | taskSignaled}, taskStatus{}, true, false, volume.Killed},
		{"core dumped", taskStat{flags: taskExiting | taskSignaled, exitCode: 11 | 0x80}, taskStatus{}, true, true, volume.Killed},
	} {
		if got := judge(c.s, c.st, c.mayRead, c.full); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, fateNames[got], fateNames[c.want])
		}
	}
}

func TestParseStat(t *testing.T) {
	line := func(comm string, n int) string {
		f := []string{"7", "(" + comm + ")", "S"}
		for i := 4; i <= n; i++ {
			f = append(f, strconv.Itoa(i*10))
		}
		return strings.Join(f, " ") + "\n"
	}
	want := taskStat{state: 'S', flags: 90, threads: 200, start: 220, exitCode: 520}
	for _, comm := range []string{"sh", "a b", ") R 1 (", "", "x)"} {
		if got, err := parseStat([]byte(line(comm, 52))); err != nil || got != want {
			t.Errorf("%q: %+v, %v", comm, got, err)
		}
	}
	if got, err := parseStat([]byte(line("old", 44))); err != nil || got.exitCode != 0 || got.start != 220 {
		t.Errorf("without an exit code: %+v, %v", got, err)
	}
	for _, bad := range []string{"", "7 (sh", line("short", 21), strings.Replace(line("x", 52), " 220 ", " y ", 1)} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q gave %+v", bad, got)
		}
	}
}

func FuzzParseProc(f *testing.F) {
	seeds := 0
	for _, path := range []string{"/proc/self/stat", "/proc/self/status", "/proc/1/stat", "/proc/1/status"} {
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrPermission) {
			continue
		}
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		seeds++
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parseStat(data)
		if st, err := parseStatus(data); err == nil && st.tgid <= 0 {
			t.Errorf("thread group %d", st.tgid)
		}
	})
}

func TestKernelVersion(t *testing.T) {
	for release, want := range map[string][2]int{
		"6.18.44-fc": {6, 18}, "5.15.0-91-generic": {5, 15}, "5": {5, 0}, "10.2": {10, 2}, "": {0, 0}, "x.y": {0, 0},
	} {
		if major, minor := kernelVersion(release); [2]int{major, minor} != want {
			t.Errorf("%q: %d.%d", release, major, minor)
		}
	}
}

func BenchmarkIdentify(b *testing.B) {
	pid := os.Getpid()
	for b.Loop() {
		identify(pid)
	}
}

func BenchmarkFate(b *testing.B) {
	p := identify(os.Getpid())
	for b.Loop() {
		p.Fate()
	}
}
