package human

import (
	"errors"
	"testing"
)

// TestPrintable: what comes from the bucket reaches a terminal as text alone.
func TestPrintable(t *testing.T) {
	for name, want := range map[string]string{
		"movie (1) «ü».mp4":       "movie (1) «ü».mp4",
		"a\x1b[2Jb":               `a\x1b[2Jb`,
		"bell\a, tab\t, del\x7f":  `bell\a, tab\t, del\x7f`,
		"\xff, and \u202e turned": `\xff, and \u202e turned`,
	} {
		if got := Printable(name); got != want {
			t.Errorf("%q is printed as %s, not %s", name, got, want)
		}
	}
	if got := OneLine(errors.Join(errors.New("one \x1b]0;title\a"), errors.New("two"))); got != `one \x1b]0;title\a; two` {
		t.Error(got)
	}
}

// TestQuoted: a name is quoted only where it has to be.
func TestQuoted(t *testing.T) {
	for name, want := range map[string]string{"day 1/ü.mp4": "day 1/ü.mp4", "a\nb": `"a\nb"`, "\x1b[2J": `"\x1b[2J"`} {
		if got := Quoted(name); got != want {
			t.Errorf("%q is printed as %s, not %s", name, got, want)
		}
	}
}
