package volume

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

// TestSequencerOrder claims and finishes at random and checks that a ticket's
// turn comes exactly when no colliding earlier one is left.
func TestSequencerOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSequencer()
		var live []*ticket
		turned := map[*ticket]bool{}
		path := rapid.SampledFrom([]string{"a", "b", "d/", "d/a", "d/b", "d/e/", "d/e/a", "e/", "e", "d", markerClaim("d/"), markerClaim("e/"), "dd/a"})
		t.Repeat(map[string]func(*rapid.T){
			"claim": func(t *rapid.T) {
				var tk *ticket
				early := false
				turn := func() {
					if tk == nil {
						early = true
						return
					}
					turned[tk] = true
				}
				tk = s.claim(turn, rapid.SliceOfN(path, 1, 2).Draw(t, "paths")...)
				if early {
					turned[tk] = true
				}
				live = append(live, tk)
			},
			"finish": func(t *rapid.T) {
				if len(live) == 0 {
					t.Skip("nothing is claimed")
				}
				i := rapid.IntRange(0, len(live)-1).Draw(t, "which")
				s.finish(live[i])
				live = slices.Delete(live, i, i+1)
			},
			"": func(t *rapid.T) {
				for i, tk := range live {
					blocked := false
					for _, earlier := range live[:i] {
						for _, p := range tk.paths {
							for _, q := range earlier.paths {
								blocked = blocked || collide(p, q)
							}
						}
					}
					if turned[tk] == blocked {
						t.Fatalf("%v: turn %v, blocked %v", tk.paths, turned[tk], blocked)
					}
				}
				if len(live) == 0 && (len(s.byPath) > 0 || len(s.under) > 0) {
					t.Fatal("finished tickets leave traces")
				}
			},
		})
	})
}
