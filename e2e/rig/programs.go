package rig

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Limit is how long an ordinary program may take.
const Limit = 2 * time.Minute

// Soon is how long anything may take that waits for no server, on a machine that is busy. Who
// waited for one would wait for upload.timeout, a minute.
const Soon = 15 * time.Second

// Run runs a program in the mount's directory and returns what it printed; it
// must end with status 0.
func (m *Mount) Run(name string, args ...string) string {
	m.tb.Helper()
	out, err := m.Try(Limit, name, args...)
	if err != nil {
		m.tb.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, clip(out))
	}
	return out
}

// Try runs a program in the mount's directory: what it printed, and how it
// ended. One that does not end in time ends the test.
func (m *Mount) Try(limit time.Duration, name string, args ...string) (string, error) {
	m.tb.Helper()
	Need(m.tb, name)
	cmd := exec.Command(name, args...)
	cmd.Dir = m.Dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := m.run(cmd, limit, name+" "+strings.Join(args, " "))
	return out.String(), err
}

// As runs a role in the mount's directory; it must end with status 0.
func (m *Mount) As(role string, args ...string) {
	m.tb.Helper()
	cmd := As(m.tb, role, args...)
	cmd.Dir = m.Dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := m.run(cmd, Limit, role+" "+strings.Join(args, " ")); err != nil {
		m.tb.Fatalf("%s %s: %v\n%s", role, strings.Join(args, " "), err, clip(out.String()))
	}
}

// Shell runs a script with bash in the mount's directory; it must succeed.
func (m *Mount) Shell(script string) string {
	m.tb.Helper()
	return m.Run("bash", "-euo", "pipefail", "-c", script)
}

// TryShell is Shell with a limit and an outcome.
func (m *Mount) TryShell(limit time.Duration, script string) (string, error) {
	m.tb.Helper()
	return m.Try(limit, "bash", "-euo", "pipefail", "-c", script)
}

// run waits for a program, and for a whole group of processes if it is a shell.
func (m *Mount) run(cmd *exec.Cmd, limit time.Duration, what string) error {
	m.tb.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // ends with the program, or with its mount
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	m.hung(what)
	return errors.New("unreachable")
}

// Within calls f, which touches the mount from the test's own process.
func (m *Mount) Within(limit time.Duration, what string, f func() error) {
	m.tb.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }() // ends by itself, or with the mount
	select {
	case err := <-done:
		if err != nil {
			m.tb.Fatalf("%s: %v", what, err)
		}
	case <-time.After(limit):
		m.hung(what)
	}
}

// Hash is the SHA-256 of a file in the mount, as a program reads it.
func (m *Mount) Hash(name string) string {
	m.tb.Helper()
	out := m.Run("sha256sum", "--", name)
	sum, _, _ := strings.Cut(strings.TrimPrefix(out, `\`), " ")
	return sum
}

// Status is a program's exit status; -1 if it ended otherwise.
func Status(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}
