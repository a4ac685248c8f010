package queue

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// collide is the rule in its plainest form, against which the indexed one is checked.
func collide(a, b string) bool {
	a, b = strings.TrimSuffix(a, "/")+"/", strings.TrimSuffix(b, "/")+"/"
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// TestOrderOfCollidingPaths adds and finishes jobs at random, and checks that a job's turn comes
// exactly when no colliding earlier one is left.
func TestOrderOfCollidingPaths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSequencer()
		var live []*Job
		path := rapid.SampledFrom([]string{"a", "b", "d/", "d/a", "d/b", "d/e/", "d/e/a", "e/", "e", "d", Alone("d/"), Alone("e/"), "dd/a"})
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				j := &Job{}
				for _, p := range rapid.SliceOfN(path, 1, 2).Draw(t, "paths") {
					j.paths = append(j.paths, strings.TrimSuffix(p, "/"))
				}
				s.claimLocked(j)
				live = append(live, j)
			},
			"finish": func(t *rapid.T) {
				if len(live) == 0 {
					t.Skip("nothing is queued")
				}
				i := rapid.IntRange(0, len(live)-1).Draw(t, "which")
				live[i].finished = true
				for _, free := range s.releaseLocked(live[i]) {
					if free.behind != 0 || !slices.Contains(live, free) {
						t.Fatalf("%v is free behind %d", free.paths, free.behind)
					}
				}
				live = slices.Delete(live, i, i+1)
			},
			"": func(t *rapid.T) {
				for i, j := range live {
					if blocked := anyCollide(live[:i], j); blocked != (j.behind > 0) {
						t.Fatalf("%v: behind %d, blocked %v", j.paths, j.behind, blocked)
					}
				}
				if len(live) == 0 && (len(s.byPath) > 0 || len(s.under) > 0) {
					t.Fatal("finished jobs leave traces")
				}
			},
		})
	})
}

func anyCollide(earlier []*Job, j *Job) bool {
	for _, e := range earlier {
		for _, p := range j.paths {
			for _, q := range e.paths {
				if collide(p, q) {
					return true
				}
			}
		}
	}
	return false
}

func TestBusyPaths(t *testing.T) {
	s := newSequencer()
	j := &Job{paths: []string{"d/e/a", "f", Alone("g/")}}
	s.claimLocked(j)
	for p, want := range map[string]bool{"d": true, "d/e": true, "d/e/a": true, "d/e/b": false, "f": true, "f/x": false, "g": true, "g/x": false, "": false, "dd": false} {
		if s.busyLocked(p) != want {
			t.Errorf("%q is busy: %v", p, !want)
		}
	}
	s.releaseLocked(j)
	if s.busyLocked("d") || s.busyLocked("f") {
		t.Error("still busy")
	}
}
