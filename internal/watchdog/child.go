package watchdog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// The words of the two processes, a byte each.
const (
	wordLook = '?'
	wordWell = '+'
	wordDead = '-'
)

// Look is the child process: it looks at the mount when it is told to, and answers, until in ends. Signals that end
// a mount are not for it, since a mount goes on while it drains.
func Look(mountpoint string, in io.Reader, out io.Writer) error {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	if err := os.Chdir("/"); err != nil { // no working directory keeps another mount busy
		return fmt.Errorf("look at %s: %w", mountpoint, err)
	}
	for word := make([]byte, 1); ; {
		if _, err := io.ReadFull(in, word); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("look at %s: %w", mountpoint, err)
		}
		word[0] = look(mountpoint)
		if _, err := out.Write(word); err != nil {
			return fmt.Errorf("look at %s: %w", mountpoint, err)
		}
	}
}

// look calls statfs(2), which the kernel always hands to the daemon. Only what the mount itself has failed
// with counts: a folder above that may no longer be passed is no fault of the daemon.
func look(mountpoint string) byte {
	var s syscall.Statfs_t
	switch err := syscall.Statfs(mountpoint, &s); {
	case errors.Is(err, syscall.ENOTCONN), errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EIO):
		return wordDead
	}
	return wordWell
}
