package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Command is a program to run.
type Command struct {
	Args []string
	Dir  string   // "/" if empty: never inside a mount by accident
	Env  []string // added to the machine's
	// Log takes what it prints; nil keeps the end for errors.
	Log *os.File
}

// Cost is what a program took: itself and all children that it waited for.
type Cost struct {
	Wall time.Duration
	CPU  time.Duration // user and system
	Peak int64         // bytes resident, of the largest process
}

// Shell is a command of bash, whose arguments are $1, $2, …
func Shell(script string, args ...string) Command {
	return Command{Args: append([]string{"bash", "-euo", "pipefail", "-c", script, "bash"}, args...)}
}

func (c Command) build() *exec.Cmd {
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	if c.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.SysProcAttr = attributes()
	return cmd
}

func (c Command) name() string { return filepath.Base(c.Args[0]) }

// Run runs a command to its end and returns what it wrote to its standard
// output. Its error holds what it wrote to the other one.
func Run(ctx context.Context, c Command) (Cost, string, error) {
	cmd := c.build()
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return Cost{}, "", fmt.Errorf("start %s: %w", c.name(), err)
	}
	stop := context.AfterFunc(ctx, func() { killGroup(cmd.Process.Pid) })
	err := cmd.Wait()
	cost := Cost{Wall: time.Since(begun)}
	stop()
	if ctx.Err() != nil {
		return cost, "", fmt.Errorf("%s: %w", c.name(), context.Cause(ctx))
	}
	if err != nil {
		return cost, out.String(), fmt.Errorf("%s: %w: %s", c.name(), err, end(complaints.String()+out.String()))
	}
	cost.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	cost.Peak = maxResident(cmd.ProcessState)
	return cost, out.String(), nil
}

// end is the last of a long text.
func end(text string) string {
	const most = 600
	text = strings.TrimSpace(text)
	if len(text) > most {
		text = "…" + text[len(text)-most:]
	}
	return text
}

func killGroup(pid int) {
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
