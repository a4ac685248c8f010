package acl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"

	"mcfs/sidecar"
)

// ErrInvalid is what a value gives that is no list.
var ErrInvalid = errors.New("no access control list")

// The attributes in which the kernel keeps a POSIX access control list: of the node, and
// of what will be made in a directory. It enforces the first; all else is done here.
const (
	Access  = "system.posix_acl_access"
	Default = "system.posix_acl_default"
)

// Is reports whether an extended attribute is an access control list.
func Is(name string) bool { return name == Access || name == Default }

// The tags of a list's entries.
const (
	UserObj  = 0x01
	User     = 0x02
	GroupObj = 0x04
	Group    = 0x08
	Mask     = 0x10
	Other    = 0x20
)

const (
	version   = 2
	header    = 4
	entrySize = 8
)

// Entry says what its user, group or class may do.
type Entry struct {
	Tag, Perm uint16
	ID        uint32
}

// List is an access control list, in the order in which the kernel gave it.
type List []Entry

// Parse reads the kernel's form of a list; what is none is ErrInvalid.
func Parse(value []byte) (List, error) {
	if len(value) < header || (len(value)-header)%entrySize != 0 || binary.LittleEndian.Uint32(value) != version {
		return nil, fmt.Errorf("access control list: %w", ErrInvalid)
	}
	var l List
	classes := 0
	for rest := value[header:]; len(rest) > 0; rest = rest[entrySize:] {
		e := Entry{binary.LittleEndian.Uint16(rest), binary.LittleEndian.Uint16(rest[2:]), binary.LittleEndian.Uint32(rest[4:])}
		switch e.Tag {
		case UserObj, GroupObj, Other:
			classes |= int(e.Tag)
		case User, Group, Mask:
		default:
			return nil, fmt.Errorf("access control list: tag %d: %w", e.Tag, ErrInvalid)
		}
		l = append(l, e)
	}
	if classes != UserObj|GroupObj|Other {
		return nil, fmt.Errorf("access control list without owner, group or others: %w", ErrInvalid)
	}
	return l, nil
}

// Bytes is the kernel's form.
func (l List) Bytes() []byte {
	out := binary.LittleEndian.AppendUint32(nil, version)
	for _, e := range l {
		out = binary.LittleEndian.AppendUint16(out, e.Tag)
		out = binary.LittleEndian.AppendUint16(out, e.Perm)
		out = binary.LittleEndian.AppendUint32(out, e.ID)
	}
	return out
}

// Extended reports whether the list says more than permission bits can.
func (l List) Extended() bool { return len(l) > 3 }

// class is the entry that permission bits show at the shift: the mask stands for the
// group, where there is one.
func (l List) class(shift int) *Entry {
	tags := map[int][]uint16{6: {UserObj}, 3: {Mask, GroupObj}, 0: {Other}}[shift]
	for _, tag := range tags {
		for i := range l {
			if l[i].Tag == tag {
				return &l[i]
			}
		}
	}
	return &Entry{}
}

// Perms are the permission bits that the list comes to.
func (l List) Perms() (mode uint32) {
	for _, shift := range []int{6, 3, 0} {
		mode |= uint32(l.class(shift).Perm&7) << shift
	}
	return mode
}

// Limit leaves of each class what the bits allow, or, to set it, makes it just that.
func (l List) Limit(mode uint32, set bool) {
	for _, shift := range []int{6, 3, 0} {
		e, bits := l.class(shift), uint16(mode>>shift&7)
		if !set {
			bits &= e.Perm
		}
		e.Perm = bits
	}
}

// IsPlain reports whether an attribute is a list of who may enter or change a node
// that says no more than permission bits do.
func IsPlain(name string, value []byte) bool {
	l, err := Parse(value)
	return name == Access && err == nil && !l.Extended()
}

// Set gives a node's attributes a list, in its permission bits and, if these cannot
// say it, beside them.
func Set(a *sidecar.Attr, name string, value []byte) error {
	l, err := Parse(value)
	if err != nil {
		return err
	}
	if name == Access {
		a.Mode = a.Mode&^0o777 | l.Perms()
	}
	if name == Access && !l.Extended() {
		delete(a.Xattr, name)
		return nil
	}
	if a.Xattr == nil {
		a.Xattr = make(map[string][]byte)
	}
	a.Xattr[name] = l.Bytes()
	return nil
}

// Chmod has a node's list follow permission bits that were set.
func Chmod(a *sidecar.Attr) {
	l, err := Parse(a.Xattr[Access])
	if err != nil {
		return // there is none, or one that the kernel does not understand either
	}
	l.Limit(a.Mode, true)
	a.Xattr = maps.Clone(a.Xattr)
	a.Xattr[Access] = l.Bytes()
}

// Inheritable refuses a default list that what is made in the directory could not have.
func Inheritable(a sidecar.Attr) error {
	value, there := a.Xattr[Default]
	if !there {
		return nil
	}
	heir := sidecar.Attr{Xattr: map[string][]byte{Access: value, Default: value}}
	return errors.Join(heir.Fits(), heir.FitsAlone())
}
