package fs

import (
	"context"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// makes returns what the thread that looks a name up is about to make under it. The
// kernel does not tell why it looks a name up, so the thread's system call is read from
// /proc/TID/syscall.
func makes(ctx context.Context) making {
	tid := caller(ctx).Pid
	if tid == 0 {
		return unknowable
	}
	var buf [256]byte // os.ReadFile would cost three times as much
	path := procPath(int(tid), "syscall")
	text, err := awaitCall(func() ([]byte, error) { return readProcNow(path, buf[:]) })
	if err != nil {
		return unknowable
	}
	return makingOf(text)
}

// awaitCall reads the system call of a thread again and again until the thread sleeps in it.
// It returns running if that takes too long.
func awaitCall(read func() ([]byte, error)) (string, error) {
	for pause := time.Microsecond; pause <= maxPause; pause *= 2 {
		text, err := read()
		if err != nil || string(text) != running {
			return string(text), err
		}
		time.Sleep(pause)
	}
	return running, nil
}

// running is what the file has of a thread that may run: one that has sent its request, and
// does not sleep yet, as on a busy machine.
const running = "running\n"

// maxPause bounds the pauses in which a thread is awaited that is about to sleep: about a
// quarter of a second in all.
const maxPause = 1 << 17 * time.Microsecond

// makers maps the system calls that make an entry to which of their arguments has the
// flags of open(2). 0 is for those without flags, which fail where the name exists.
var makers = map[int]int{
	unix.SYS_OPENAT: 3, unix.SYS_MKDIRAT: 0, unix.SYS_MKNODAT: 0, unix.SYS_SYMLINKAT: 0, unix.SYS_LINKAT: 0,
}

// makingOf parses a line of proc_pid_syscall(5): the number of a system call, its
// arguments in hexadecimal, stack and instruction pointer.
func makingOf(line string) making {
	fields := strings.Fields(line)
	if len(fields) < 4 {
		return nothing
	}
	call, err := strconv.Atoi(fields[0])
	if err != nil {
		return nothing
	}
	arg, found := makers[call]
	switch {
	case !found:
		return nothing
	case arg == 0:
		return anything
	}
	flags, err := strconv.ParseUint(fields[arg], 0, 64)
	switch {
	case err != nil || flags&unix.O_CREAT == 0:
		return nothing
	case flags&unix.O_EXCL != 0:
		return exclusively
	}
	return anything
}
