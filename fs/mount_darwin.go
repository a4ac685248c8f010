package fs

import (
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const (
	// openNoFlush is unknown to macFUSE.
	openNoFlush = uint32(0)

	readOnly = "rdonly" // the mount option

	// The flags of renameatx_np(2). Apple's editors save by RENAME_SWAP, so the
	// capability for it is never disabled.
	renameNoReplace = 4 // RENAME_EXCL
	renameExchange  = 2 // RENAME_SWAP
)

// platformOptions sets the name that Finder shows, and asks for RENAME_EXCL, since go-fuse
// negotiates only the swap by itself. (It also passes daemon_timeout=0, without which the
// kernel gives up a volume whose close takes a minute.)
//
// It does not set noappledouble: macFUSE would refuse every name "._*" and ".DS_Store",
// and with them copies and archives that hold one. Such files are local-only here, and
// macOS makes none by itself where extended attributes are kept.
func platformOptions(m *fuse.MountOptions) {
	name := m.FsName
	if _, after, ok := strings.Cut(name, "#"); ok {
		name = filepath.Base(strings.TrimSuffix(after, "/"))
	}
	if name == "" || name == "." {
		name = m.Name
	}
	m.Options = append(m.Options, "volname="+name)
	m.ExtraCapabilities |= fuse.CAP_RENAME_EXCL
}

// platformFS refuses to set a part of an extended attribute, as macOS does of a resource
// fork. go-fuse does not pass on where the part begins, and it would replace the whole.
func platformFS(raw fuse.RawFileSystem) fuse.RawFileSystem {
	return changes{wholeAttributes{raw}}
}

type wholeAttributes struct{ fuse.RawFileSystem }

func (w wholeAttributes) SetXAttr(cancel <-chan struct{}, in *fuse.SetXAttrIn, name string, value []byte) fuse.Status {
	if in.Position != 0 {
		return fuse.EINVAL
	}
	return w.RawFileSystem.SetXAttr(cancel, in, name, value)
}

// answers returns when the mount answers: macFUSE mounts after NewServer has returned.
func answers(s *fuse.Server) error { return s.WaitMount() }

func afterMount(string, *slog.Logger) {}

// detach ends a busy mount by force, since macOS has no lazy unmount.
func detach(mountpoint string) error { return unix.Unmount(mountpoint, unix.MNT_FORCE) }

// keepFromChildren does nothing: go-fuse closes the connection to the kernel in other programs there.
func keepFromChildren(*slog.Logger) {}
