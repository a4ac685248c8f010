package fs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxDescriptors is of how many descriptors a process may have for Holds to look at them.
// A shell, whose duplicates Holds is for, never has as many.
const maxDescriptors = 512

// Holds reports whether the process has a descriptor of the file that is open for writing.
// It sends nothing to the mount: in /proc a descriptor's link has the name, and its fdinfo
// the inode number. A file of another filesystem may have both by chance; then the commit
// waits for the release.
func (p linuxProcess) Holds(ino uint64, name string) bool {
	dir := procPath(p.tgid, "fd")
	open, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer open.Close()
	numbers, err := open.Readdirnames(maxDescriptors)
	if err != nil || len(numbers) == maxDescriptors {
		return false
	}
	var buf [procSize]byte
	for _, fd := range numbers {
		n, err := unix.Readlinkat(int(open.Fd()), fd, buf[:]) // cheap, and rules out most
		if err != nil || !leadsTo(string(buf[:n]), name) {
			continue
		}
		info, err := readProc(procPath(p.tgid, filepath.Join("fdinfo", fd)), buf[:])
		if err == nil && writesTo(info, ino) {
			return true
		}
	}
	return false
}

// leadsTo reports whether a descriptor's link is to a file of that name.
func leadsTo(target, name string) bool {
	return filepath.Base(strings.TrimSuffix(target, " (deleted)")) == name
}

// writesTo reports whether a descriptor is open for writing and of the file with that
// inode number. info is its file in proc_pid_fdinfo(5), which has the flags of open(2) in
// octal and, since Linux 5.14, the inode number.
func writesTo(info []byte, ino uint64) bool {
	writes, same := false, false
	for line := range strings.Lines(string(info)) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch name {
		case "flags":
			flags, err := strconv.ParseUint(value, 8, 64)
			writes = err == nil && flags&unix.O_PATH == 0 && flags&syscall.O_ACCMODE != syscall.O_RDONLY
		case "ino":
			n, err := strconv.ParseUint(value, 10, 64)
			same = err == nil && n == ino
		}
	}
	return writes && same
}
