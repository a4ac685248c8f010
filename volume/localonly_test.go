package volume

import "testing"

func TestLocalOnlyNames(t *testing.T) {
	ps, err := newPatterns([]string{"!*~", "*.part"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		excl bool
		want bool
	}{
		{"movie.mp4", true, false},
		{".movie.mp4.A1b2C3", true, true},
		{".movie.mp4.A1b2C3", false, false},
		{"d/.movie.mp4.A1b2C3", true, true},
		{".bashrc.backup/x", true, false},
		{"4913", true, true},
		{"a~", false, false},
		{"x.part", false, true},
		{".a.swp", false, true},
		{"db-journal", false, true},
		{"db-wal", false, true},
		{".git/index.lock", true, true},
		{".git/refs/heads/main.lock", true, true},
		{"index.lock", true, false},
		{".~lock.a.odt#", false, true},
		{"lu1234.tmp", false, true},
		{".DS_Store", false, true},
		{"d/._a.mov", false, true},
		{".Trash-1000/files/a.mov", false, true},
		{"a.mov.sb-1234abcd-XyZ123", false, true},
	} {
		if got := ps.match(c.name, c.excl); got != c.want {
			t.Errorf("%s (exclusive %v): %v", c.name, c.excl, got)
		}
	}
	if _, err := newPatterns([]string{"[a"}); err == nil {
		t.Error("a malformed pattern was taken")
	}
}
