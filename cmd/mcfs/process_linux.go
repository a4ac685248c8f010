package main

import "golang.org/x/sys/unix"

// redirect makes descriptor to a copy of from.
func redirect(from, to int) error { return unix.Dup3(from, to, 0) }

// thisProgram is the file of the running program, also once an update has put another in its place.
func thisProgram() string { return "/proc/self/exe" }
