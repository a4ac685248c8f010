package volume

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"

	"mcfs/sidecar"
)

// The attributes in which the kernel keeps a POSIX access control list: of the node, and
// of what will be made in a directory. It enforces the first; all else is done here.
const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

// IsACL reports whether an extended attribute is an access control list.
func IsACL(name string) bool { return name == aclAccess || name == aclDefault }

// The tags of a list's entries.
const (
	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20
)

const (
	aclVersion   = 2
	aclHeader    = 4
	aclEntrySize = 8
)

// aclEntry says what its user, group or class may do.
type aclEntry struct {
	tag, perm uint16
	id        uint32
}

// acl is an access control list, in the order in which the kernel gave it.
type acl []aclEntry

// parseACL reads the kernel's form of a list; what is none is ErrInvalid.
func parseACL(value []byte) (acl, error) {
	if len(value) < aclHeader || (len(value)-aclHeader)%aclEntrySize != 0 || binary.LittleEndian.Uint32(value) != aclVersion {
		return nil, fmt.Errorf("access control list: %w", ErrInvalid)
	}
	var l acl
	classes := 0
	for rest := value[aclHeader:]; len(rest) > 0; rest = rest[aclEntrySize:] {
		e := aclEntry{binary.LittleEndian.Uint16(rest), binary.LittleEndian.Uint16(rest[2:]), binary.LittleEndian.Uint32(rest[4:])}
		switch e.tag {
		case aclUserObj, aclGroupObj, aclOther:
			classes |= int(e.tag)
		case aclUser, aclGroup, aclMask:
		default:
			return nil, fmt.Errorf("access control list: tag %d: %w", e.tag, ErrInvalid)
		}
		l = append(l, e)
	}
	if classes != aclUserObj|aclGroupObj|aclOther {
		return nil, fmt.Errorf("access control list without owner, group or others: %w", ErrInvalid)
	}
	return l, nil
}

// bytes is the kernel's form.
func (l acl) bytes() []byte {
	out := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for _, e := range l {
		out = binary.LittleEndian.AppendUint16(out, e.tag)
		out = binary.LittleEndian.AppendUint16(out, e.perm)
		out = binary.LittleEndian.AppendUint32(out, e.id)
	}
	return out
}

// extended reports whether the list says more than permission bits can.
func (l acl) extended() bool { return len(l) > 3 }

// class is the entry that permission bits show at the shift: the mask stands for the
// group, where there is one.
func (l acl) class(shift int) *aclEntry {
	tags := map[int][]uint16{6: {aclUserObj}, 3: {aclMask, aclGroupObj}, 0: {aclOther}}[shift]
	for _, tag := range tags {
		for i := range l {
			if l[i].tag == tag {
				return &l[i]
			}
		}
	}
	return &aclEntry{}
}

// perms are the permission bits that the list comes to.
func (l acl) perms() (mode uint32) {
	for _, shift := range []int{6, 3, 0} {
		mode |= uint32(l.class(shift).perm&7) << shift
	}
	return mode
}

// limit leaves of each class what the bits allow, or, to set it, makes it just that.
func (l acl) limit(mode uint32, set bool) {
	for _, shift := range []int{6, 3, 0} {
		e, bits := l.class(shift), uint16(mode>>shift&7)
		if !set {
			bits &= e.perm
		}
		e.perm = bits
	}
}

// IsPlainACL reports whether an attribute is a list of who may enter or change a node
// that says no more than permission bits do.
func IsPlainACL(name string, value []byte) bool {
	l, err := parseACL(value)
	return name == aclAccess && err == nil && !l.extended()
}

// setACL gives a node's attributes a list, in its permission bits and, if these cannot
// say it, beside them.
func setACL(a *sidecar.Attr, name string, value []byte) error {
	l, err := parseACL(value)
	if err != nil {
		return err
	}
	if name == aclAccess {
		a.Mode = a.Mode&^0o777 | l.perms()
	}
	if name == aclAccess && !l.extended() {
		delete(a.Xattr, name)
		return nil
	}
	if a.Xattr == nil {
		a.Xattr = make(map[string][]byte)
	}
	a.Xattr[name] = l.bytes()
	return nil
}

// chmodACL has a node's list follow permission bits that were set.
func chmodACL(a *sidecar.Attr) {
	l, err := parseACL(a.Xattr[aclAccess])
	if err != nil {
		return // there is none, or one that the kernel does not understand either
	}
	l.limit(a.Mode, true)
	a.Xattr = maps.Clone(a.Xattr)
	a.Xattr[aclAccess] = l.bytes()
}

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
	defaults := d.dir.attr.Xattr[aclDefault]
	l, err := parseACL(defaults)
	if err != nil {
		return a
	}
	l.limit(mode, false)
	a.Mode = kind.typeBits() | mode&0o7000 | l.perms()
	a.Xattr = make(map[string][]byte)
	if l.extended() {
		a.Xattr[aclAccess] = l.bytes()
	}
	if kind == Dir {
		a.Xattr[aclDefault] = defaults
	}
	return a
}

// inheritable refuses a default list that what is made in the directory could not have.
func inheritable(a sidecar.Attr) error {
	value, there := a.Xattr[aclDefault]
	if !there {
		return nil
	}
	heir := sidecar.Attr{Xattr: map[string][]byte{aclAccess: value, aclDefault: value}}
	return errors.Join(heir.Fits(), heir.FitsAlone())
}
