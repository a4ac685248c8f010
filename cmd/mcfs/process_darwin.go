package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// redirect makes descriptor to a copy of from.
func redirect(from, to int) error { return unix.Dup2(from, to) }

// thisProgram is the file of the running program.
func thisProgram() string {
	self, err := os.Executable()
	if err != nil {
		return "mcfs" // of the search path
	}
	return self
}
