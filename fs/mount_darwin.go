package fs

import (
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const (
	// kernelNotifies: macFUSE's notifications are not relied upon; entries time out.
	kernelNotifies = false
	// openNoFlush is unknown to macFUSE.
	openNoFlush = uint32(0)

	// The flags of renameatx_np(2). Apple's editors save by RENAME_SWAP, so the
	// capability for it is never disabled.
	renameNoReplace = 4 // RENAME_EXCL
	renameExchange  = 2 // RENAME_SWAP
)

// platformOptions for macFUSE: the name in Finder, no ._ files beside every
// file, and no 60 s after which the kernel gives up an upload.
func platformOptions(m *fuse.MountOptions) {
	name := m.FsName
	if _, after, ok := strings.Cut(name, "#"); ok {
		name = filepath.Base(strings.TrimSuffix(after, "/"))
	}
	if name == "" || name == "." {
		name = m.Name
	}
	m.Options = append(m.Options, "volname="+name, "noappledouble")
}

func afterMount(string, *slog.Logger) {}

// detach ends a busy mount by force: macOS knows no lazy unmount.
func detach(mountpoint string) error { return unix.Unmount(mountpoint, unix.MNT_FORCE) }
