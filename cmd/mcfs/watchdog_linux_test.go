package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mcfs/store/s3/s3test"
)

// patience is within which time the daemon has to say that it is well, in the tests: it looks each quarter of that.
const patience = 8 * time.Second

// TestWatchdogOfAHang: a daemon whose mount answers no more feeds no longer. It is killed and started again, the
// dead mount is taken away, and what was promised is there.
func TestWatchdogOfAHang(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.supervise("mcfs-hangs", patience)
	s.awaitFeeds(2)
	r.breakWrites(s3test.Fault{Status: 503, Code: "SlowDown"})
	r.save("film", "safe in the spool")
	if n := len(s.lookers()); n != 1 {
		t.Errorf("%d processes look into the mount", n)
	}
	for _, pid := range s.lookers() {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)) // the pattern is right
		for _, link := range links {
			if target, _ := os.Readlink(link); target == "/dev/fuse" {
				t.Error("the process that looks holds the connection, and with it a dead mount")
			}
		}
	}
	if err := syscall.Kill(s.pid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	s.awaitState("READY=1") // the second
	if n := s.killed(); n != 1 {
		t.Errorf("the watchdog has barked %d times", n)
	}
	r.s3.Proxy.Reset()
	if got, err := os.ReadFile(filepath.Join(r.mountpoint, "film")); err != nil || string(got) != "safe in the spool" {
		t.Errorf("after the hang: %q, %v", got, err)
	}
	await(t, "one process looks, of the second daemon", func() bool { return len(s.lookers()) == 1 })
	text, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"the mount does not answer", "SIGABRT", "its mount is taken away"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	s.end(false)
	if !r.stored("film.settings.json") {
		t.Error("it is not in the store")
	}
}

// troubles are what the watchdog must not take for a hang. Each begins, and returns what ends it.
var troubles = map[string]func(*supervisor) (over func()){
	"slow store": func(s *supervisor) func() {
		s.s3.Proxy.Hook(func(s3test.Request) s3test.Fault { return s3test.Fault{Delay: 3 * time.Second} })
		return s.busy(4)
	},
	"dead store": func(s *supervisor) func() {
		s.s3.Proxy.Hook(func(s3test.Request) s3test.Fault { return s3test.Fault{Hang: true} })
		over := s.busy(4)
		go os.Stat(filepath.Join(s.mountpoint, "unknown", "name")) // waits; it ends with the mount at the latest
		return over
	},
	"full disk": func(s *supervisor) func() {
		s.breakWrites(s3test.Fault{Status: 503, Code: "SlowDown"})
		over := s.busy(4)
		await(s.t, "a write that fails for want of room", s.full.Load)
		return over
	},
	"busy machine": func(s *supervisor) func() {
		var busy []*exec.Cmd
		for range 16 {
			c := exec.Command("sh", "-c", "while :; do :; done")
			if err := c.Start(); err != nil {
				s.t.Fatal(err)
			}
			busy = append(busy, c)
		}
		over := s.busy(8)
		return func() {
			over()
			for _, c := range busy {
				c.Process.Kill()
				c.Wait()
			}
		}
	},
	// As in a sleep of the machine all processes stand, and CLOCK_MONOTONIC, by which systemd waits, with them.
	"sleep": func(s *supervisor) func() {
		stand := func(sig syscall.Signal) {
			for _, pid := range append(s.lookers(), s.pid()) {
				if err := syscall.Kill(pid, sig); err != nil {
					s.t.Fatal(err)
				}
			}
		}
		stand(syscall.SIGSTOP)
		s.mu.Lock()
		s.clock.Stop()
		left := time.Until(s.due)
		s.mu.Unlock()
		time.Sleep(patience + time.Second) // of which the daemon's own clock knows
		s.mu.Lock()
		s.clock.Reset(left)
		s.mu.Unlock()
		stand(syscall.SIGCONT)
		return func() {}
	},
	"looker killed": func(s *supervisor) func() {
		for _, pid := range s.lookers() {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				s.t.Fatal(err)
			}
		}
		return func() {}
	},
	"drain": func(s *supervisor) func() {
		gate := make(chan struct{}) // a request passes every 100 ms: something moves all the time
		s.breakWrites(s3test.Fault{Gate: gate})
		for i := range 400 {
			s.save(fmt.Sprintf("pending%03d", i), "text")
		}
		unmount := s.mcfs("unmount", s.mountpoint)
		if err := unmount.Start(); err != nil {
			s.t.Fatal(err)
		}
		s.awaitState("EXTEND_TIMEOUT_USEC=")
		ends := make(chan struct{})
		var moving sync.WaitGroup
		moving.Go(func() {
			ticks := time.NewTicker(100 * time.Millisecond)
			defer ticks.Stop()
			for {
				select {
				case <-ticks.C:
					select {
					case gate <- struct{}{}:
					default: // the requests of the moment have been answered
					}
				case <-ends:
					close(gate)
					return
				}
			}
		})
		return func() {
			select {
			case <-s.ended:
				s.t.Error("the drain was over before its time: this shows nothing")
			default:
			}
			close(ends)
			moving.Wait()
			s.s3.Proxy.Reset()
			if err := unmount.Wait(); err != nil {
				s.t.Errorf("unmount: %v", err)
			}
		}
	},
}

// TestWatchdogThroughTrouble: no trouble of store, disk, machine or user keeps a daemon that answers from feeding.
func TestWatchdogThroughTrouble(t *testing.T) {
	t.Parallel()
	for name, begin := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if name == "full disk" {
				r.configure("[spool]\nmax_size = \"64 MiB\"\n")
			}
			s := r.supervise("mcfs", patience)
			over := begin(s)
			s.awaitFeeds(6) // longer than systemd waits
			over()
			r.s3.Proxy.Reset()
			s.end(name == "full disk")
		})
	}
}

// busy has n programs save files, again and again, until over is called.
func (s *supervisor) busy(n int) (over func()) {
	stop := make(chan struct{})
	var saving sync.WaitGroup
	for w := range n {
		saving.Go(func() {
			text := make([]byte, 256<<10)
			for i := 0; ; i++ {
				name := filepath.Join(s.mountpoint, fmt.Sprintf("busy%d-%d", w, i%100))
				if err := os.WriteFile(name, text, 0o600); errors.Is(err, syscall.ENOSPC) {
					s.full.Store(true)
				}
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
	return func() {
		close(stop)
		saving.Wait()
	}
}
