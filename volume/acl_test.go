package volume

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"mcfs/crypt"
)

// listOf is a list of the three classes, a mask, and so many users who may all.
func listOf(users int) acl {
	const none = 0xffffffff
	l := acl{{aclUserObj, 7, none}}
	for i := range users {
		l = append(l, aclEntry{aclUser, 7, uint32(1000 + i)})
	}
	return append(l, aclEntry{aclGroupObj, 5, none}, aclEntry{aclMask, 7, none}, aclEntry{aclOther, 0, none})
}

// TestACLsLast: the lists of files and directories are in the store, and what is made
// in a directory has its default list, over mounts too.
func TestACLsLast(t *testing.T) {
	r := newRig(t, crypt.CTR)
	list := listOf(2).bytes()
	inherited := listOf(2)
	inherited.limit(0o755, false) // it is made so
	r.mkdir("d")
	set := func(path, name string, value []byte) error {
		return r.node(path).SetXattr(t.Context(), name, value, false, false)
	}
	for _, name := range []string{aclAccess, aclDefault} {
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
		"d/e": {inherited.bytes(), list},
	} {
		for i, name := range []string{aclAccess, aclDefault} {
			got, err := r.node(path).GetXattr(t.Context(), name)
			if err != nil || !bytes.Equal(got, want[i]) {
				t.Errorf("%s of %s is %x, %v; want %x", name, path, got, err, want[i])
			}
		}
	}
	got, err := r.node("d/f").GetXattr(t.Context(), aclAccess)
	l, perr := parseACL(got)
	if err != nil || perr != nil || l.perms() != 0o640 || len(l) != 6 { // it is made with 0644
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
		if err := d.SetXattr(t.Context(), aclDefault, listOf(users).bytes(), false, false); err != nil {
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
	if got, err := r.node("d/e").GetXattr(t.Context(), aclDefault); err != nil || !bytes.Equal(got, listOf(users-1).bytes()) {
		t.Errorf("%d bytes were inherited, %v", len(got), err)
	}
}

// FuzzParseACL: any bytes, as a bucket may have them, are a list that comes out as it
// went in, or an error.
func FuzzParseACL(f *testing.F) {
	f.Add(listOf(2).bytes())
	f.Add([]byte{2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, value []byte) {
		l, err := parseACL(value)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Error(err)
			}
			return
		}
		if !bytes.Equal(l.bytes(), value) {
			t.Errorf("%x comes out as %x", value, l.bytes())
		}
		l.limit(0o750, true)
		if l.perms() != 0o750 {
			t.Errorf("limited to 750 it is %o", l.perms())
		}
	})
}
