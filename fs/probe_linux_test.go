package fs

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

func init() {
	roles["probe"] = serveProbe
	roles["write and exit"] = writeAndExit
	roles["write and sleep"] = writeAndSleep
	roles["exit beside a close"] = exitBesideClose
}

var fateNames = map[volume.Fate]string{
	volume.Alive: "alive", volume.Exiting: "exiting", volume.Killed: "killed", volume.Gone: "gone",
}

// serveProbe mounts a filesystem of one directory, in which every close after a
// write takes as long as the file's name says, under the rule for interrupts,
// and tells what became of its caller.
func serveProbe(args []string) {
	opts := &gofs.Options{}
	opts.DirectMount = os.Geteuid() == 0
	opts.Name, opts.FsName = "mcfs-probe", "mcfs-probe"
	server, err := gofs.Mount(args[0], &probeDir{}, opts)
	if err != nil {
		say(event{What: "failed", Text: err.Error()})
		os.Exit(1)
	}
	say(event{What: "mounted"})
	io.Copy(io.Discard, os.Stdin)
	if err := server.Unmount(); err != nil {
		say(event{What: "failed", Text: err.Error()})
		os.Exit(1)
	}
}

type probeDir struct{ gofs.Inode }

func (d *probeDir) Create(ctx context.Context, name string, _, _ uint32, _ *fuse.EntryOut) (*gofs.Inode, gofs.FileHandle, uint32, syscall.Errno) {
	h := &probeHandle{name: name, by: process(ctx)}
	return d.NewInode(ctx, &probeFile{}, gofs.StableAttr{}), h, 0, 0
}

type probeFile struct{ gofs.Inode }

func (f *probeFile) Setattr(context.Context, gofs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return 0
}

type probeHandle struct {
	name    string
	by      volume.Process
	written atomic.Bool
}

func (h *probeHandle) Write(_ context.Context, data []byte, _ int64) (uint32, syscall.Errno) {
	h.written.Store(true)
	return uint32(len(data)), 0
}

// hang is longer than any test waits, and shorter than a daemon may.
const hang = 15 * time.Second

func (h *probeHandle) Flush(ctx context.Context) syscall.Errno {
	if !h.written.Load() {
		return 0
	}
	by := process(ctx)
	fate := by.Fate()
	same := 0
	if by.Same(h.by) && h.by.Same(by) {
		same = 1
	}
	say(event{What: "close", Name: h.name, Fate: fateNames[fate], Code: same})
	p := newFlushPatience(ctx, by)
	defer p.stop()
	length := 100 * time.Millisecond
	if strings.HasPrefix(h.name, "slow") {
		length = time.Second
	} else if strings.HasPrefix(h.name, "hang") && fate == volume.Alive {
		length = hang
	}
	for strings.HasPrefix(h.name, "until") && by.Fate() == volume.Alive {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-p.Done():
		say(event{What: "gave up", Name: h.name, Fate: fateNames[by.Fate()]})
		return syscall.EINTR
	case <-time.After(length):
		say(event{What: "waited", Name: h.name, Fate: fateNames[by.Fate()], Code: interrupted(ctx)})
		return 0
	}
}

func interrupted(ctx context.Context) int {
	if ctx.Err() != nil {
		return 1
	}
	return 0
}

// Programs. Go programs have several threads from the start.

func writeFile(path string) *os.File {
	f, err := os.Create(path)
	if err != nil {
		panic(err)
	}
	if _, err := f.WriteString("x"); err != nil {
		panic(err)
	}
	return f
}

func busyThreads() {
	for range 4 {
		go func() {
			runtime.LockOSThread()
			for {
				time.Sleep(time.Millisecond)
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
}

func writeAndExit(args []string) {
	busyThreads()
	f := writeFile(args[0])
	defer runtime.KeepAlive(f)
	os.Exit(3)
}

func writeAndSleep(args []string) {
	busyThreads()
	f := writeFile(args[0])
	os.Stdout.WriteString("written\n")
	time.Sleep(time.Minute)
	runtime.KeepAlive(f)
}

func exitBesideClose(args []string) {
	f := writeFile(args[0])
	go f.Close()
	io.Copy(io.Discard, os.Stdin) // until the test says so
	os.Exit(0)
}

func (d *daemon) expect(t *testing.T, name, what, fate string) event {
	t.Helper()
	e := d.await(t, what+" of "+name, func(e event) bool { return e.Name == name && e.What == what })
	if e.Fate != fate {
		t.Errorf("%s of %s: the caller is %s, want %s", what, name, e.Fate, fate)
	}
	return e
}

// shell starts a script.
func shell(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestCallerInClose(t *testing.T) {
	d := startDaemon(t, "probe")
	path := func(name string) string { return filepath.Join(d.mountpoint, name) }
	for _, c := range []struct {
		name, prefix string
		signal       syscall.Signal
	}{
		{"SIGTERM", "", syscall.SIGTERM},
		{"SIGKILL", "", syscall.SIGKILL},
		{"SIGALRM", "", syscall.SIGALRM},
		{"SIGXCPU would dump core", "ulimit -c 0; ", syscall.SIGXCPU},
	} {
		t.Run(c.name+" while closing", func(t *testing.T) {
			name := "hang-" + strings.Fields(c.name)[0]
			cmd := shell(t, c.prefix+"echo x > "+path(name))
			if e := d.expect(t, name, "close", "alive"); e.Code != 1 {
				t.Error("the closer is not the opener")
			}
			begin := time.Now()
			cmd.Process.Signal(c.signal)
			cmd.Wait()
			d.expect(t, name, "gave up", "killed")
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("let go after %v", took)
			}
			if got := cmd.ProcessState.Sys().(syscall.WaitStatus); !got.Signaled() || got.Signal() != c.signal {
				t.Errorf("the shell ended with %v", cmd.ProcessState)
			}
		})
	}

	t.Run("a handled signal while closing", func(t *testing.T) {
		cmd := shell(t, "trap : USR1; echo x > "+path("slow-usr1")+"; exit 4")
		d.expect(t, "slow-usr1", "close", "alive")
		cmd.Process.Signal(syscall.SIGUSR1)
		if e := d.expect(t, "slow-usr1", "waited", "alive"); e.Code != 1 {
			t.Error("the close was not interrupted: this test shows nothing")
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 4 {
			t.Errorf("the shell ended with %v", cmd.ProcessState)
		}
	})

	t.Run("stopped and continued while closing", func(t *testing.T) {
		cmd := shell(t, "echo x > "+path("slow-stop"))
		d.expect(t, "slow-stop", "close", "alive")
		cmd.Process.Signal(syscall.SIGSTOP)
		d.expect(t, "slow-stop", "waited", "alive")
		cmd.Process.Signal(syscall.SIGCONT)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// exits waits for the close that an ending process leaves to the kernel. The end of a
// redirection closes a duplicate first, so the last close is the one to look at.
func exits(t *testing.T, d *daemon, name string, cmd *exec.Cmd, fate string) {
	t.Helper()
	cmd.Wait()
	d.await(t, fate+" close of "+name, func(e event) bool {
		return e.Name == name && e.What == "close" && e.Fate == fate && e.Code == 1
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e.Name == name && e.Fate != fate && e.Fate != "alive" {
			t.Errorf("%s: %s of a caller that is %s", name, e.What, e.Fate)
		}
	}
}

// TestCallerThatEnds: an exit is told from a signal that kills, also where the process
// leaves its close to the kernel.
func TestCallerThatEnds(t *testing.T) {
	d := startDaemon(t, "probe")
	path := func(name string) string { return filepath.Join(d.mountpoint, name) }
	t.Run("exit without a close", func(t *testing.T) {
		exits(t, d, "exit", shell(t, "exec 3> "+path("exit")+"; echo x >&3; exit 9"), "exiting")
	})
	t.Run("SIGKILL without a close", func(t *testing.T) {
		exits(t, d, "kill", shell(t, "exec 3> "+path("kill")+"; echo x >&3; kill -KILL $$"), "killed")
	})
	t.Run("SIGTERM without a close", func(t *testing.T) {
		exits(t, d, "term", shell(t, "exec 3> "+path("term")+"; echo x >&3; kill -TERM $$"), "killed")
	})
}

// TestThreadsThatEnd: the same holds of a process with threads.
func TestThreadsThatEnd(t *testing.T) {
	d := startDaemon(t, "probe")
	path := func(name string) string { return filepath.Join(d.mountpoint, name) }
	t.Run("threads: exit without a close", func(t *testing.T) {
		cmd := again(t, "write and exit", path("threads-exit"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exits(t, d, "threads-exit", cmd, "exiting")
		if code := cmd.ProcessState.ExitCode(); code != 3 {
			t.Errorf("ended with %v", cmd.ProcessState)
		}
	})
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run("threads: "+signal.String()+" without a close", func(t *testing.T) {
			name := "threads-" + signal.String()
			cmd := again(t, "write and sleep", path(name))
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 8)); err != nil {
				t.Fatal(err)
			}
			cmd.Process.Signal(signal)
			exits(t, d, name, cmd, "killed")
		})
	}
	t.Run("threads: exit while another thread closes", func(t *testing.T) {
		cmd := again(t, "exit beside a close", path("until-beside"))
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "until-beside", "close", "alive")
		stdin.Close()
		d.expect(t, "until-beside", "waited", "exiting")
		if err := cmd.Wait(); err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}
