package fs

import (
	"testing"

	"mcfs/volume"
)

// TestFacts: the words for each state, and a job.
func TestFacts(t *testing.T) {
	for _, c := range []struct {
		state volume.State
		ours  bool
		want  string
	}{
		{volume.Clean, true, "committed"}, {volume.Clean, false, "foreign"},
		{volume.Queued, true, "queued"}, {volume.Uploading, false, "uploading"}, {volume.Lost, true, "lost"},
	} {
		if got := stateWord(c.state, c.ours); got != c.want {
			t.Errorf("%v, ours %v: %q, not %q", c.state, c.ours, got, c.want)
		}
	}
	if got := jobJSON("1700-\"x"); got != `{"id":"1700-\"x"}` {
		t.Errorf("%q", got)
	}
	if got := jobJSON(""); got != "" {
		t.Errorf("no job: %q", got)
	}
}
