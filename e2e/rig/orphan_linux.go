package rig

import "syscall"

// orphaned has the kernel end the daemon with a test process that could not
// clean up (a panic, a time limit): told to end, it unmounts by itself.
func orphaned() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
