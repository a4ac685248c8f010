package status

import (
	"strings"
	"testing"

	"mcfs/volume"
)

// TestUncommitted: a job is not made of a file whose last version or name is not in the store;
// what is pending elsewhere is in nobody's way.
func TestUncommitted(t *testing.T) {
	draft := func(path string, s volume.State) Report {
		return Report{Status: &volume.Status{Drafts: []volume.DraftStatus{{Path: path, State: s.String()}}}}
	}
	other := func(what, path, to string) Report {
		return Report{Status: &volume.Status{Changes: []volume.ChangeStatus{{What: what, Path: path, To: to}}}}
	}
	change := func(path, to string) Report { return other("rename", path, to) }
	for name, c := range map[string]struct {
		r    Report
		want string
	}{
		"nothing":           {Report{Status: new(volume.Status)}, ""},
		"queued":            {draft("a/b.mov", volume.Queued), "is not committed yet"},
		"uploading":         {draft("a/b.mov", volume.Uploading), "is not committed yet"},
		"publishing":        {draft("a/b.mov", volume.Publishing), "is not committed yet"},
		"open":              {draft("a/b.mov", volume.Writing), "is open for writing"},
		"interrupted":       {draft("a/b.mov", volume.Interrupted), "is interrupted"},
		"lost":              {draft("a/b.mov", volume.Lost), "cannot be committed"},
		"local-only":        {draft("a/b.mov", volume.Local), ""},
		"another's":         {draft("a/b.mov.part", volume.Queued), ""},
		"its own name":      {change("x.mov", "a/b.mov"), "is not in the store as it is here (rename of x.mov)"},
		"its directory's":   {change("old", "a"), "is not in the store as it is here (rename of old)"},
		"swapped away":      {change("a/b.mov", "x.mov"), "is not in the store as it is here"},
		"attributes":        {other("attr", "a/b.mov", ""), ""},
		"new directory":     {other("mkdir", "a", ""), ""},
		"another directory": {change("aa", "a/b"), ""},
	} {
		if got, _ := NewPending(c.r).Why("a/b.mov"); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
