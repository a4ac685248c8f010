package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"mcfs/internal/logs"
)

// readyFlag is the hidden flag of a daemon in the background: the number of the descriptor
// to which it writes when it is mounted.
const readyFlag = "ready-fd"

// told is a failure that another process has printed.
type told struct{ status int }

func (t told) Error() string { return fmt.Sprintf("the daemon ended with status %d", t.status) }

// background runs `mcfs mount` with args as another process, detached from the terminal,
// and returns when that has mounted or failed. The other process prints why it failed.
func background(ctx context.Context, args []string, std stdio) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	ready, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	defer ready.Close()
	cmd := exec.Command(self, append([]string{"mount", "--" + readyFlag, "3"}, args...)...)
	cmd.Args[0] = "mcfs"
	cmd.Dir = "/" // no working directory keeps another mount busy
	cmd.Stderr = std.err
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		theirs.Close()
		return fmt.Errorf("start in the background: %w", err)
	}
	theirs.Close()
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })()
	if word, _ := io.ReadAll(ready); string(word) == readyWord {
		return cmd.Process.Release()
	}
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return told{exit.ExitCode()}
	}
	if err == nil {
		err = errors.New("it ended at once")
	}
	return fmt.Errorf("the daemon in the background: %w: try without --background", err)
}

const readyWord = "mounted\n"

// detachFromTerminal reports to the starting process that the mount is made, and replaces
// the standard streams. From then on the log has what is printed, also by a crash.
func (d *daemon) detachFromTerminal(fd int) error {
	ready := os.NewFile(uintptr(fd), "ready")
	if ready == nil {
		return errors.New("--" + readyFlag + " " + strconv.Itoa(fd) + " is no descriptor")
	}
	defer ready.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	output := null
	if d.o.logFile != "" {
		if output, err = logs.OpenFile(d.o.logFile); err != nil {
			return err
		}
		defer output.Close()
	}
	for target, from := range []*os.File{null, output, output} {
		if err := redirect(int(from.Fd()), target); err != nil {
			return fmt.Errorf("leave the terminal: %w", err)
		}
	}
	_, err = ready.WriteString(readyWord)
	return err
}
