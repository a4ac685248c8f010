package doctor

import "testing"

// examine returns what is not ok, and how many checks were.
func examine(t *testing.T, checks []Check, o Options) (amiss []Finding, r Result) {
	t.Helper()
	r = Examine(t.Context(), checks, o, func(f Finding) {
		if f.Verdict != OK || f.Fixed {
			amiss = append(amiss, f)
		}
		if f.Verdict != OK && f.Cure == "" {
			t.Errorf("%s has no cure: %s", f.Check, f.What)
		}
	})
	return amiss, r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
