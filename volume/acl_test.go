package volume

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"mcfs/crypt"
	"mcfs/volume/acl"
)

// listOf is a list of the three classes, a mask, and so many users who may all.
func listOf(users int) acl.List {
	const none = 0xffffffff
	l := acl.List{{Tag: acl.UserObj, Perm: 7, ID: none}}
	for i := range users {
		l = append(l, acl.Entry{Tag: acl.User, Perm: 7, ID: uint32(1000 + i)})
	}
	return append(l, acl.Entry{Tag: acl.GroupObj, Perm: 5, ID: none}, acl.Entry{Tag: acl.Mask, Perm: 7, ID: none}, acl.Entry{Tag: acl.Other, Perm: 0, ID: none})
}

// TestACLsLast: the lists of files and directories are in the store, and what is made
// in a directory has its default list, over mounts too.
func TestACLsLast(t *testing.T) {
	r := newRig(t, crypt.CTR)
	list := listOf(2).Bytes()
	inherited := listOf(2)
	inherited.Limit(0o755, false) // it is made so
	r.mkdir("d")
	set := func(path, name string, value []byte) error {
		return r.node(path).SetXattr(t.Context(), name, value, false, false)
	}
	for _, name := range []string{acl.Access, acl.Default} {
		if err := set("d", name, list); err != nil {
			t.Fatal(err)
		}
	}
	r.save("d/f", []byte("content"))
	r.mkdir("d/e")
	r.sync()
	r.cold()
	for path, want := range map[string][2][]byte{
		"d":   {list, list},
		"d/e": {inherited.Bytes(), list},
	} {
		for i, name := range []string{acl.Access, acl.Default} {
			got, err := r.node(path).GetXattr(t.Context(), name)
			if err != nil || !bytes.Equal(got, want[i]) {
				t.Errorf("%s of %s is %x, %v; want %x", name, path, got, err, want[i])
			}
		}
	}
	got, err := r.node("d/f").GetXattr(t.Context(), acl.Access)
	l, perr := acl.Parse(got)
	if err != nil || perr != nil || l.Perms() != 0o640 || len(l) != 6 { // it is made with 0644
		t.Errorf("the file's list is %v, %v, %v", l, err, perr)
	}
	if a, err := r.node("d/f").Attr(t.Context()); err != nil || a.Mode&0o777 != 0o640 {
		t.Errorf("the file's mode is %o, %v", a.Mode, err)
	}
}

// TestACLsThatDoNotFit: a default list is refused that what is made there could not have.
func TestACLsThatDoNotFit(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.mkdir("d")
	d := r.node("d")
	users := 0
	for ; users < 1000; users++ {
		if err := d.SetXattr(t.Context(), acl.Default, listOf(users).Bytes(), false, false); err != nil {
			if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			break
		}
	}
	if users < 20 || users == 1000 {
		t.Errorf("%d users are too many", users)
	}
	r.save("d/f", []byte("content"))
	h := r.openFile("d/f", os.O_RDWR)
	defer h.Release()
	r.write(h, []byte("other content"), 0)
	if err := h.Flush(t.Context(), nil); err != nil {
		t.Error(err)
	}
	r.mkdir("d/e")
	r.sync()
	if got, err := r.node("d/e").GetXattr(t.Context(), acl.Default); err != nil || !bytes.Equal(got, listOf(users-1).Bytes()) {
		t.Errorf("%d bytes were inherited, %v", len(got), err)
	}
}

// FuzzParseACL: any bytes, as a bucket may have them, are a list that comes out as it
// went in, or an error.
func FuzzParseACL(f *testing.F) {
	f.Add(listOf(2).Bytes())
	f.Add([]byte{2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, value []byte) {
		l, err := acl.Parse(value)
		if err != nil {
			if !errors.Is(err, acl.ErrInvalid) {
				t.Error(err)
			}
			return
		}
		if !bytes.Equal(l.Bytes(), value) {
			t.Errorf("%x comes out as %x", value, l.Bytes())
		}
		l.Limit(0o750, true)
		if l.Perms() != 0o750 {
			t.Errorf("limited to 750 it is %o", l.Perms())
		}
	})
}
