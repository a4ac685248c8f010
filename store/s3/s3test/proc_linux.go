package s3test

import "syscall"

// processAttributes makes the kernel kill the server with the test process,
// even one that panics or runs into its time limit.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
