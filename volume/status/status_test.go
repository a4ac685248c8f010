package status

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"mcfs/volume/queue"
)

// TestOrder: drafts come by path and changes in their order; what is empty is [] in JSON.
func TestOrder(t *testing.T) {
	s := Status{
		Drafts:  []Draft{{Path: "b"}, {Path: "a"}},
		Changes: []Change{{Path: "second", Seq: 2}, {Path: "first", Seq: 1}},
	}
	s.Sort()
	if s.Drafts[0].Path != "a" || s.Changes[0].Path != "first" {
		t.Errorf("%+v", s)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"quarantine":[]`, `"unopened":[]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	if strings.Contains(string(text), "Seq") {
		t.Errorf("%s tells what is nobody's business", text)
	}
}

// TestUnder keeps what is at or below a path, by either of a change's names.
func TestUnder(t *testing.T) {
	s := Status{
		Drafts:    []Draft{{Path: "d/a"}, {Path: "dd"}, {Path: "d"}},
		Changes:   []Change{{Path: "x", To: "d/x"}, {Path: "d/y", To: "y"}, {Path: "x"}},
		Conflicts: []Conflict{{Path: "d/a", Aside: "d/b"}, {Path: "x", Aside: "y"}},
		GivenUp:   []GivenUp{{Path: "x", To: "d"}, {Path: "x"}},
	}
	got := s.Under("/d/")
	if len(got.Drafts) != 2 || len(got.Changes) != 2 || len(got.Conflicts) != 1 || len(got.GivenUp) != 1 {
		t.Errorf("%+v", got)
	}
	if all := s.Under(""); len(all.Drafts) != 3 || len(s.Drafts) != 3 || s.Drafts[1].Path != "dd" {
		t.Error("the whole was changed")
	}
}

// TestBefore: what fails explains a wait better than what does not, and then what is older.
func TestBefore(t *testing.T) {
	old, late, fails := &Behind{Seq: 1}, &Behind{Seq: 2}, &Behind{Seq: 3, Failing: true}
	if !old.Before(late) || late.Before(old) || !fails.Before(old) || old.Before(fails) {
		t.Error("not in this order")
	}
}

// TestFailed: a failure is one line, and what has its turn already waits for none.
func TestFailed(t *testing.T) {
	now := time.Now()
	if Failed(queue.Retry{}, "") != nil {
		t.Error("nothing has failed")
	}
	f := Failed(queue.Retry{Tries: 2, Failing: now.Add(-time.Minute), Next: now.Add(time.Hour)}, "one\ntwo")
	if f.Cause != "one; two" || f.Tries != 2 || f.Next.IsZero() || !f.Since.Equal(now.Add(-time.Minute)) {
		t.Errorf("%+v", f)
	}
	if f := Failed(queue.Retry{Next: now.Add(-time.Second)}, "one"); !f.Next.IsZero() {
		t.Errorf("%+v", f)
	}
	for to, want := range map[string]string{"": "remove a", "b": "remove a to b"} {
		if got := (GivenUp{What: "remove", Path: "a", To: to}).Subject(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
