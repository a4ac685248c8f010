package fs

import (
	"errors"
	"os"
)

// host is what preflight looks at besides the mountpoint.
type host struct {
	helpers    []string // where macFUSE's mount program is, one of them
	allowOther bool     // needs no permission here
}

func thisHost() host {
	return host{helpers: []string{
		"/Library/Filesystems/macfuse.fs/Contents/Resources/mount_macfuse",
		"/Library/Filesystems/osxfuse.fs/Contents/Resources/mount_osxfuse",
	}}
}

// checkWritable returns nil: macFUSE's mount program checks this itself.
func (h host) checkWritable(string) error { return nil }

// checkFuse looks for macFUSE.
func (h host) checkFuse() error {
	for _, path := range h.helpers {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
	}
	return errors.New("macFUSE is not installed: get it from https://macfuse.io, and allow its system extension")
}
