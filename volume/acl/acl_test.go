package acl

import (
	"bytes"
	"errors"
	"testing"

	"mcfs/sidecar"
)

func list(extended bool) List {
	l := List{{UserObj, 7, 0}, {GroupObj, 5, 0}, {Other, 4, 0}}
	if extended {
		l = List{{UserObj, 7, 0}, {User, 6, 1000}, {GroupObj, 5, 0}, {Mask, 6, 0}, {Other, 4, 0}}
	}
	return l
}

// TestParse: a list comes back as it was, and what is none is refused.
func TestParse(t *testing.T) {
	for _, extended := range []bool{false, true} {
		value := list(extended).Bytes()
		l, err := Parse(value)
		if err != nil || !bytes.Equal(l.Bytes(), value) || l.Extended() != extended || IsPlain(Access, value) == extended {
			t.Errorf("extended %v: %v, %v", extended, l, err)
		}
	}
	whole := list(true).Bytes()
	for _, value := range [][]byte{nil, whole[:3], whole[:len(whole)-1], whole[:len(whole)-entrySize], append([]byte{9}, whole[1:]...)} {
		if _, err := Parse(value); !errors.Is(err, ErrInvalid) {
			t.Errorf("%x gives %v", value, err)
		}
	}
}

// TestSetAndChmod: the permission bits show the mask, and chmod sets it.
func TestSetAndChmod(t *testing.T) {
	a := sidecar.Attr{Mode: 0o100600}
	if err := Set(&a, Access, list(true).Bytes()); err != nil || a.Mode != 0o100764 {
		t.Fatalf("mode %o, %v", a.Mode, err)
	}
	before := a.Xattr[Access]
	a.Mode = 0o100710
	Chmod(&a)
	l, err := Parse(a.Xattr[Access])
	if err != nil || l.Perms() != 0o710 || bytes.Equal(before, a.Xattr[Access]) {
		t.Errorf("it allows %o, %v", l.Perms(), err)
	}
	if err := Set(&a, Access, list(false).Bytes()); err != nil || a.Xattr[Access] != nil || a.Mode != 0o100754 {
		t.Errorf("a list that says no more than a mode: %o, %v, %v", a.Mode, a.Xattr, err)
	}
}
