package volume

import (
	"slices"
	"testing"

	"mcfs/store"
)

// TestRefusalIsNoOutage: one request that the store refuses says nothing of the others: what
// another machine makes is seen at once in a known directory. One that is not answered does.
func TestRefusalIsNoOutage(t *testing.T) {
	for name, c := range map[string]struct {
		answer error
		seen   bool
	}{"refused": {store.ErrDenied, true}, "not answered": {store.ErrUnavailable, false}} {
		bubble(t, name, func(t *testing.T) {
			a, b, between := newPair(t)
			for _, d := range []string{"shut", "known"} {
				b.mkdir(d)
				b.chmod(d, 0o750)
			}
			b.save("known/one", []byte("one"))
			b.sync()
			a.reads("known/one", "one")
			between.set(func(op, key string) error {
				if op == "head" && key == "shut/" {
					return c.answer
				}
				return nil
			})
			if mode := a.mode("shut"); mode&0o077 != 0 {
				t.Errorf("what could not be read has mode %o", mode)
			}
			if b.save("known/two", []byte("two")); a.lists("known", "two") != c.seen {
				t.Errorf("seen at once: %v, want %v", !c.seen, c.seen)
			}
		})
	}
}

// lists reports whether a directory's listing has a name.
func (r *rig) lists(dir, name string) bool {
	r.t.Helper()
	list, err := r.node(dir).ReadDir(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.ContainsFunc(list, func(e DirEntry) bool { return e.Name == name })
}
