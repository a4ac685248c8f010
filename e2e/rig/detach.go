package rig

import (
	"os/exec"
	"runtime"
	"testing"
)

// detach is the last resort: it takes a mount away whose daemon has gone.
func detach(tb testing.TB, dir string) {
	args := []string{"fusermount3", "-uz", dir}
	if runtime.GOOS == "darwin" {
		args = []string{"umount", "-f", dir}
	}
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		tb.Errorf("%v: %v: %s", args, err, out)
	}
}
