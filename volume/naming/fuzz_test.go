package naming

import (
	"path"
	"testing"
)

// FuzzPatterns: of local_only, against a name: no pattern that is taken fails to match later.
func FuzzPatterns(f *testing.F) {
	f.Add("*.tmp", "d/a.tmp")
	f.Add("!*~", "a~")
	f.Add("[a-", "a")
	f.Add(".git//*.lock", ".git/x/y.lock")
	f.Fuzz(func(t *testing.T, p, name string) {
		r, err := NewRules([]string{p})
		if err != nil {
			return
		}
		r.LocalOnly(name, AsFile)
		r.LocalOnly(path.Join(name, name), Mkstemp)
	})
}
