package rig

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// roleVariable names the role that a test's own binary has in a process of its own.
const roleVariable = "MCFS_TEST_ROLE"

var roles = make(map[string]func(args []string) error)

// Role registers a program that uses the mount in a process of its own. Call it from init.
//
// What reads or writes a map of a file in the mount must be one: a page fault waits for the
// daemon, whose requests pass through the test's process, and there a garbage collection
// stops all else until the fault is over.
func Role(name string, program func(args []string) error) { roles[name] = program }

// As is the command that runs a role with these arguments.
func As(tb testing.TB, role string, args ...string) *exec.Cmd {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

// play runs the role that this process has, and reports whether it has one.
func play() (status int, ok bool) {
	program := roles[os.Getenv(roleVariable)]
	if program == nil {
		return 0, false
	}
	if err := program(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}
