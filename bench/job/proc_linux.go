package job

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ, 100 on every
// architecture that Go knows.
const tick = 10 * time.Millisecond

// attributes makes the kernel end the program with this one, and gives it a
// process group of its own.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// cpuTime is that of all threads of a process, ended ones included, and of the
// children that it has waited for.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(string(text))
}

// parseStat adds the fields utime, stime, cutime and cstime of proc(5); the
// name before them may hold spaces and parentheses.
func parseStat(text string) (time.Duration, error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const first = 14 - 3 // fields begin with the third
	if len(fields) < first+4 {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields", len(fields))
	}
	var ticks int64
	for _, f := range fields[first : first+4] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// resetPeak sets VmHWM back, as proc(5) says of clear_refs.
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// peak is VmHWM, bytes.
func peak(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseStatus(string(text), "VmHWM")
}

func parseStatus(text, field string) (int64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/PID/status has no %s", field)
}

// written is what a process has had written to disks, bytes: write_bytes of proc(5), without what was
// cancelled because it was truncated or removed before.
func written(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	return parseIO(string(text))
}

func parseIO(text string) (int64, error) {
	var n [2]int64
	for i, field := range []string{"write_bytes", "cancelled_write_bytes"} {
		_, rest, ok := strings.Cut("\n"+text, "\n"+field+": ")
		if !ok {
			return 0, fmt.Errorf("/proc/PID/io has no %s", field)
		}
		value, _, _ := strings.Cut(rest, "\n")
		var err error
		if n[i], err = strconv.ParseInt(value, 10, 64); err != nil {
			return 0, fmt.Errorf("/proc/PID/io: %w", err)
		}
	}
	return n[0] - n[1], nil
}

// maxResident of an ended process: Linux counts in KiB.
func maxResident(s *os.ProcessState) int64 {
	if usage, ok := s.SysUsage().(*syscall.Rusage); ok {
		return usage.Maxrss << 10
	}
	return 0
}
