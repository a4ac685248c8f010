package fs

import (
	"context"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// createsExclusively says whether the thread that looks a name up is about to
// make a file there with O_EXCL. The kernel looks the name up first and does not
// say what for, so /proc/TID/syscall is asked; known is false where that may not be read.
func createsExclusively(ctx context.Context) (creates, known bool) {
	tid := caller(ctx).Pid
	if tid == 0 {
		return false, false
	}
	var buf [256]byte // os.ReadFile would cost three times as much
	text, err := readProcNow(procPath(int(tid), "syscall"), buf[:])
	return err == nil && exclusiveOpen(string(text)), err == nil
}

// exclusiveOpen reads a line of proc_pid_syscall(5): the number of a system
// call, its arguments in hexadecimal, stack and instruction pointer.
func exclusiveOpen(line string) bool {
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[0] != strconv.Itoa(unix.SYS_OPENAT) {
		return false
	}
	flags, err := strconv.ParseUint(fields[3], 0, 64)
	return err == nil && flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL
}
