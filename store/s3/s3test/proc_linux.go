package s3test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// processAttributes makes the kernel kill the server with the test process,
// even one that panics or runs into its time limit.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// hasStopped reports whether no thread of a process runs any more: SIGSTOP reaches one
// after the other.
func hasStopped(pid int) (bool, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return false, err
	}
	if len(tasks) == 0 {
		return false, os.ErrProcessDone
	}
	for _, task := range tasks {
		stat, err := os.ReadFile(task)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // that thread has ended
		}
		if err != nil {
			return false, err
		}
		// "123 (name) T ...", where the name may hold anything.
		rest := strings.TrimSpace(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if !strings.HasPrefix(rest, "T") {
			return false, nil
		}
	}
	return true, nil
}
