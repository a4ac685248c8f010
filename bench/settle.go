package main

import "golang.org/x/sys/unix"

// settle lets the disk finish what earlier work left to it, so that nobody pays
// for somebody else.
func settle() { unix.Sync() }
