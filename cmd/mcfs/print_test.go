package main

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
		if got := printable(name); got != want {
			t.Errorf("%q is printed as %s, not %s", name, got, want)
		}
	}
	if got := oneLine(errors.Join(errors.New("one \x1b]0;title\a"), errors.New("two"))); got != `one \x1b]0;title\a; two` {
		t.Error(got)
	}
}
