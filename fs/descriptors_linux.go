package fs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxDescriptors is how many descriptors of a process are looked at. Who has
// more open has no business with a shell's duplicates.
const maxDescriptors = 512

// Holds looks through the process's descriptors for one that is open for writing
// and leads to the file. It reads /proc alone and sends nothing to the mount: the
// link has the name, fdinfo the inode number. With a file of another filesystem
// both can agree by chance only; then the commit waits for the release.
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
		n, err := unix.Readlinkat(int(open.Fd()), fd, buf[:]) // most of them end here, for little
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

// leadsTo says whether the link of a descriptor is to a file of that name.
func leadsTo(target, name string) bool {
	return filepath.Base(strings.TrimSuffix(target, " (deleted)")) == name
}

// writesTo reads a file of /proc/PID/fdinfo, proc_pid_fdinfo(5): the flags of
// open(2) in octal and, since Linux 5.14, the inode number.
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
