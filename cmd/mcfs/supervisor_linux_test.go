package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// supervisor does with a daemon what systemd does with one of the unit that mcfs init writes: it listens,
// kills what does not feed its watchdog, and starts anew what has failed.
type supervisor struct {
	*rig
	program string
	within  time.Duration
	socket  string
	log     string // of the daemon, each time it is started
	feeds   chan struct{}
	states  chan string // everything that it says besides
	done    chan struct{}
	running sync.WaitGroup
	full    atomic.Bool // the mount had no room for a file

	mu      sync.Mutex
	clock   *time.Timer   // of the watchdog
	due     time.Time     // when it is over
	cmd     *exec.Cmd     // the daemon
	kills   int           // by the watchdog
	ended   chan struct{} // closed when a daemon has ended that is not started again
	status  int           // of that
	stopped bool
}

// lenience is how many times longer than it says the supervisor waits for a feed, so that a loaded machine misses
// none. What it shows is that feeds come for as long as a trouble lasts.
const lenience = 8

// supervise starts a daemon and waits until it has mounted.
func (r *rig) supervise(program string, within time.Duration) *supervisor {
	r.t.Helper()
	dir := r.t.TempDir()
	s := &supervisor{
		rig: r, program: program, within: within, socket: filepath.Join(dir, "notify"), log: filepath.Join(dir, "log"),
		feeds: make(chan struct{}, 1), states: make(chan string, 1024), ended: make(chan struct{}), done: make(chan struct{}),
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err != nil {
		r.t.Fatal(err)
	}
	s.clock = time.AfterFunc(time.Hour, s.bark)
	s.clock.Stop()
	s.running.Go(func() { s.listen(conn) })
	s.running.Go(s.serve)
	r.t.Cleanup(func() {
		close(s.done)
		s.clock.Stop()
		conn.Close()
		s.mu.Lock()
		s.stopped = true
		if s.cmd != nil {
			s.cmd.Process.Signal(syscall.SIGCONT)
			s.cmd.Process.Kill()
		}
		s.mu.Unlock()
		s.running.Wait()
		if text, err := os.ReadFile(s.log); r.t.Failed() && err == nil {
			r.t.Logf("the log:\n%s", text[:min(len(text), 20_000)])
		}
	})
	s.awaitState("READY=1")
	return s
}

// listen hears what the daemon says. Only a word of the main process counts, as with NotifyAccess=main.
func (s *supervisor) listen(conn *net.UnixConn) {
	for buf := make([]byte, 4096); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		for line := range strings.SplitSeq(string(buf[:n]), "\n") {
			switch line {
			case "READY=1", "WATCHDOG=1":
				s.mu.Lock()
				s.due = time.Now().Add(lenience * s.within)
				s.clock.Reset(lenience * s.within)
				s.mu.Unlock()
			}
			if line == "WATCHDOG=1" {
				select {
				case s.feeds <- struct{}{}:
				default:
				}
				continue
			}
			s.states <- line
		}
	}
}

// bark is what systemd does when the watchdog was not fed.
func (s *supervisor) bark() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kills++
	s.cmd.Process.Signal(syscall.SIGABRT)
}

// serve runs the daemon, and again after a failure.
func (s *supervisor) serve() {
	defer close(s.ended)
	for s.runOnce() {
	}
}

// runOnce runs the daemon to its end, and reports whether it is to be started again: Restart=on-failure with
// RestartPreventExitStatus=3.
func (s *supervisor) runOnce() (again bool) {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Error(err)
		return false
	}
	defer log.Close()
	cmd := exec.Command("sh", "-c", `WATCHDOG_PID=$$ exec "$0" mount "$1"`, s.program, s.mountpoint)
	cmd.Env = append(slices.Clone(s.env), "NOTIFY_SOCKET="+s.socket, fmt.Sprintf("WATCHDOG_USEC=%d", s.within.Microseconds()), "GORACE=atexit_sleep_ms=50")
	cmd.Stderr = log
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return false
	}
	s.cmd, err = cmd, cmd.Start()
	s.mu.Unlock()
	if err != nil {
		s.t.Error(err)
		return false
	}
	_ = cmd.Wait() // by its state
	s.clock.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = cmd.ProcessState.ExitCode()
	return !s.stopped && s.status != exitOK && s.status != exitSome
}

// awaitState waits until the daemon has said something.
func (s *supervisor) awaitState(want string) {
	s.t.Helper()
	timeout := time.After(4 * time.Minute)
	for {
		select {
		case got := <-s.states:
			if strings.HasPrefix(got, want) {
				return
			}
		case <-timeout:
			s.t.Fatalf("no %q in four minutes", want)
		}
	}
}

// awaitFeeds waits until the watchdog was fed n times from now on, unless it has barked.
func (s *supervisor) awaitFeeds(n int) {
	s.t.Helper()
	select {
	case <-s.feeds: // an earlier one
	default:
	}
	timeout := time.After(5 * time.Minute)
	for i := range n {
		select {
		case <-s.feeds:
		case <-s.ended:
			s.t.Fatalf("the daemon has ended with status %d after %d feeds", s.status, i)
		case <-timeout:
			s.t.Fatalf("%d feeds in five minutes", i)
		}
	}
	if kills := s.killed(); kills > 0 {
		s.t.Fatal("the watchdog has barked")
	}
}

func (s *supervisor) killed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kills
}

// pid is that of the daemon.
func (s *supervisor) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// lookers are the processes that look into the mount for it.
func (s *supervisor) lookers() (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is right
	for _, file := range files {
		text, err := os.ReadFile(file)
		var pid int
		if _, serr := fmt.Sscanf(file, "/proc/%d/", &pid); err == nil && serr == nil && strings.HasSuffix(string(text), "\x00"+lookName+"\x00--\x00"+s.mountpoint+"\x00") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// end unmounts, and demands that the daemon has ended well and is not started again. left is true where something
// may be left in the spool.
func (s *supervisor) end(left bool) {
	s.t.Helper()
	out, _ := s.mcfs("unmount", s.mountpoint).CombinedOutput() // what ends the daemon may have been called already
	select {
	case <-s.ended:
	case <-time.After(3 * time.Minute):
		s.t.Fatalf("it has not ended within three minutes of its unmount: %s", out)
	}
	if s.status != exitOK && !(left && s.status == exitSome) {
		s.t.Errorf("the daemon ended with status %d: %s", s.status, out)
	}
	if pids := s.lookers(); len(pids) > 0 {
		s.t.Errorf("the processes %d still look into the mount", pids)
	}
}

// thieves is how many goroutines take the kernel's requests from the daemon.
const thieves = 32

// hangsOnSignal is mcfs, which after SIGUSR1 answers no request of the kernel any more: they are read beside it, by the
// same connection, and dropped. Everything else of it goes on.
func hangsOnSignal() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1)
	go func() {
		<-told
		links, _ := filepath.Glob("/proc/self/fd/*") // the pattern is right
		for _, link := range links {
			var fd int
			if target, err := os.Readlink(link); err != nil || target != "/dev/fuse" {
				continue
			}
			if _, err := fmt.Sscanf(filepath.Base(link), "%d", &fd); err != nil {
				continue
			}
			for range thieves {
				go func() {
					for buf := make([]byte, 2<<20); ; {
						if _, err := syscall.Read(fd, buf); err == syscall.ENODEV {
							return
						}
					}
				}()
			}
		}
	}()
	os.Args[0] = "mcfs"
	main()
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in two minutes: %s", what)
		}
	}
}
