package s3test

import "syscall"

// processAttributes keeps a terminal's Ctrl-C from the server, so that the
// test ends it in order.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
