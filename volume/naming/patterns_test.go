package naming

import (
	"os"
	"testing"
)

func TestLocalOnlyNames(t *testing.T) {
	r, err := NewRules([]string{"!*~", "*.part"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		made Creation
		want bool
	}{
		{"movie.mp4", Exclusive, false},
		{".movie.mp4.A1b2C3", Mkstemp, false}, // a guess
		{"a~", AsFile, false},
		{"x.part", AsFile, true},
		{"x.part/y", AsFile, true},
		{".a.swp", AsFile, true},
		{".git/index.lock", Exclusive, true},
		{".git/refs/heads/main.lock", Exclusive, true},
		{"index.lock", Exclusive, false},
		{"bare.git/HEAD.lock", Exclusive, true},
		{".git/objects/78/tmp_obj_QcfF5m", Exclusive, true},
		{".git/objects/pack/.tmp-123-pack-abc.pack", AsFile, true},
		{".git/refs/heads/tmp_new_things", AsFile, false},
		{".~lock.a.odt#", AsFile, true},
		{".DS_Store", AsFile, true},
		{"d/._a.mov", AsFile, true},
		{".Trash-1000/files/a.mov", AsFile, true},
		{".Trash-1000", AsDirectory, true},
		{"a.crdownload", AsFile, true},
		{"a.crdownload", AsDirectory, false},
		{"a.crdownload/b", AsFile, false},
	} {
		if got := r.LocalOnly(c.name, c.made); got != c.want {
			t.Errorf("%s (made %v): %v", c.name, c.made, got)
		}
	}
	if _, err := NewRules([]string{"[a"}); err == nil {
		t.Error("a malformed pattern was taken")
	}
}

// TestCreationOf tells mkstemp(3) from cp, tar and git.
func TestCreationOf(t *testing.T) {
	for _, c := range []struct {
		flags int
		mode  uint32
		want  Creation
	}{
		{os.O_RDWR | os.O_CREATE | os.O_EXCL, 0o600, Mkstemp},
		{os.O_WRONLY | os.O_CREATE | os.O_EXCL, 0o600, Exclusive},
		{os.O_RDWR | os.O_CREATE | os.O_EXCL, 0o644, Updating},
		{os.O_RDWR | os.O_CREATE | os.O_EXCL, 0o666, Public},
		{os.O_WRONLY | os.O_CREATE | os.O_EXCL, 0o666, Exclusive},
		{os.O_RDWR | os.O_CREATE, 0o600, AsFile},
	} {
		if got := CreationOf(c.flags, c.mode); got != c.want {
			t.Errorf("flags %#x, mode %#o: %v, not %v", c.flags, c.mode, got, c.want)
		}
	}
}
