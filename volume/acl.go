package volume

import (
	"errors"
	"fmt"

	"mcfs/sidecar"
	"mcfs/volume/acl"
)

// IsACL reports whether an extended attribute is an access control list. The kernel
// enforces that of a node; all else is done here.
func IsACL(name string) bool { return acl.Is(name) }

// IsPlainACL is acl.IsPlain.
func IsPlainACL(name string, value []byte) bool { return acl.IsPlain(name, value) }

// umaskShift is where a new entry's mode has the umask of who makes it.
const umaskShift = 16

// WithUmask is the mode for Create, Mkdir and Tmpfile of what is made under an umask:
// a directory's default list takes its place.
func WithUmask(mode, umask uint32) uint32 { return mode&0o7777 | umask&0o777<<umaskShift }

// masked is the mode that an entry has without a default list.
func masked(mode uint32) uint32 { return mode & 0o7777 &^ (mode >> umaskShift) }

// born are the attributes of what is made in d; v.mu is held.
func (d *Node) born(kind Kind, mode, uid, gid uint32) sidecar.Attr {
	a := sidecar.Attr{Mode: kind.typeBits() | masked(mode), UID: uid, GID: gid}
	defaults := d.dir.Attr().Xattr[acl.Default]
	l, err := acl.Parse(defaults)
	if err != nil {
		return a
	}
	l.Limit(mode, false)
	a.Mode = kind.typeBits() | mode&0o7000 | l.Perms()
	a.Xattr = make(map[string][]byte)
	if l.Extended() {
		a.Xattr[acl.Access] = l.Bytes()
	}
	if kind == Dir {
		a.Xattr[acl.Default] = defaults
	}
	return a
}

// invalidACL gives the refusal of a list the word of this package.
func invalidACL(err error) error {
	if errors.Is(err, acl.ErrInvalid) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return err
}
