package job

import (
	"errors"
	"os"
	"syscall"
	"time"
)

var errNoProc = errors.New("macOS has no /proc: costs of daemons are measured on Linux alone")

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func cpuTime(int) (time.Duration, error) { return 0, errNoProc }

func resetPeak(int) error { return errNoProc }

func peak(int) (int64, error) { return 0, errNoProc }

func written(int) (int64, error) { return 0, errNoProc }

// maxResident of an ended process: macOS counts in bytes.
func maxResident(s *os.ProcessState) int64 {
	if usage, ok := s.SysUsage().(*syscall.Rusage); ok {
		return usage.Maxrss
	}
	return 0
}
