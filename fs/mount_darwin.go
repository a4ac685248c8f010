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

// platformOptions for macFUSE. The name is Finder's. RENAME_EXCL is asked for,
// since go-fuse negotiates only the swap by itself. It also passes daemon_timeout=0,
// without which the kernel gives up a volume whose close takes a minute.
//
// Not noappledouble: macFUSE would refuse every name "._*" and ".DS_Store", and
// so copies and archives that hold one (macfuse/macfuse#519). Such files are
// local-only here, and macOS makes none by itself where attributes are kept.
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

// platformFS refuses what go-fuse would do wrong: it does not pass on where in
// an attribute a value begins, which on macOS may be in the middle of a resource
// fork, and the value would replace the whole.
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

// answers waits for macFUSE, which mounts behind.
func answers(s *fuse.Server) error { return s.WaitMount() }

func afterMount(string, *slog.Logger) {}

// detach ends a busy mount by force: macOS knows no lazy unmount.
func detach(mountpoint string) error { return unix.Unmount(mountpoint, unix.MNT_FORCE) }
