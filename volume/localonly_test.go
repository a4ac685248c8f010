package volume

import (
	"os"
	"testing"
)

func TestLocalOnlyNames(t *testing.T) {
	ps, err := newPatterns([]string{"!*~", "*.part"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		made making
		want bool
	}{
		{"movie.mp4", exclusive, false},
		{".movie.mp4.A1b2C3", mkstemp, false}, // a guess
		{"a~", named, false},
		{"x.part", named, true},
		{"x.part/y", named, true},
		{".a.swp", named, true},
		{".git/index.lock", exclusive, true},
		{".git/refs/heads/main.lock", exclusive, true},
		{"index.lock", exclusive, false},
		{"bare.git/HEAD.lock", exclusive, true},
		{".git/objects/78/tmp_obj_QcfF5m", exclusive, true},
		{".git/objects/pack/.tmp-123-pack-abc.pack", named, true},
		{".git/refs/heads/tmp_new_things", named, false},
		{".~lock.a.odt#", named, true},
		{".DS_Store", named, true},
		{"d/._a.mov", named, true},
		{".Trash-1000/files/a.mov", named, true},
		{".Trash-1000", directory, true},
		{"a.crdownload", named, true},
		{"a.crdownload", directory, false},
		{"a.crdownload/b", named, false},
	} {
		if got := ps.match(c.name, c.made); got != c.want {
			t.Errorf("%s (made %v): %v", c.name, c.made, got)
		}
	}
	if _, err := newPatterns([]string{"[a"}); err == nil {
		t.Error("a malformed pattern was taken")
	}
}

// TestMakingOf tells mkstemp(3) from cp, tar and git.
func TestMakingOf(t *testing.T) {
	for _, c := range []struct {
		flags int
		mode  uint32
		want  making
	}{
		{os.O_RDWR | os.O_CREATE | os.O_EXCL, 0o600, mkstemp},
		{os.O_WRONLY | os.O_CREATE | os.O_EXCL, 0o600, exclusive},
		{os.O_RDWR | os.O_CREATE | os.O_EXCL, 0o644, exclusive},
		{os.O_RDWR | os.O_CREATE, 0o600, named},
	} {
		if got := makingOf(c.flags, c.mode); got != c.want {
			t.Errorf("flags %#x, mode %#o: %v, not %v", c.flags, c.mode, got, c.want)
		}
	}
}
