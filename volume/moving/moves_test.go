package moving

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// script is a list of moves; one that begins with "-" is done.
func script(moves ...[2]string) *Moves {
	m := &Moves{}
	for _, mv := range moves {
		if from, done := mv[0], mv[0][0] == '-'; done {
			m.Done(from[1:], mv[1])
			continue
		}
		m.Begin(mv[0], mv[1])
	}
	return m
}

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		name        string
		moves       [][2]string
		at          string
		sources     []string
		destination string // of what the store has at that place
	}{
		{"nothing moves", nil, "d/a", []string{"d/a"}, "d/a"},
		{"the new name", [][2]string{{"d/", "e/"}}, "e/a", []string{"d/a", "e/a"}, "e/a"},
		{"the old name", [][2]string{{"d/", "e/"}}, "d/a", nil, "e/a"},
		{"a name that only begins so", [][2]string{{"d/", "e/"}}, "ea/a", []string{"ea/a"}, "ea/a"},
		{"twice", [][2]string{{"d/", "e/"}, {"e/", "f/"}}, "f/a", []string{"d/a", "e/a", "f/a"}, "f/a"},
		{"and back", [][2]string{{"d/", "e/"}, {"e/", "d/"}}, "d/a", []string{"e/a", "d/a"}, "d/a"},
		{"into another that moves", [][2]string{{"d/", "e/d/"}, {"e/", "f/"}}, "f/d/a", []string{"d/a", "e/d/a", "f/d/a"}, "f/d/a"},
		{"a name that was left", [][2]string{{"d/", "e/"}, {"f/", "d/"}}, "d/a", []string{"f/a"}, "e/a"},
		{"done", [][2]string{{"d/", "e/"}, {"-d/", "e/"}}, "e/a", []string{"e/a"}, "e/a"},
		{"done once of twice", [][2]string{{"d/", "e/"}, {"d/", "e/"}, {"-d/", "e/"}}, "e/a", []string{"d/a", "e/a"}, "e/a"},
		{"never begun", [][2]string{{"-d/", "e/"}}, "e/a", []string{"e/a"}, "e/a"},
	} {
		m := script(c.moves...)
		if got := m.Sources(c.at); !slices.Equal(got, c.sources) {
			t.Errorf("%s: %s comes from %q, want %q", c.name, c.at, got, c.sources)
		}
		if got := m.Destination(c.at); got != c.destination {
			t.Errorf("%s: %s goes to %s, want %s", c.name, c.at, got, c.destination)
		}
		if want := slices.Equal(c.sources, []string{c.at}); m.AtRest(c.at) != want {
			t.Errorf("%s: %s is at rest: %v", c.name, c.at, !want)
		}
	}
}

// TestSourcesOfADirectoryThatMovedOften: where a directory's objects are is found through
// every move that is still to be done, also where another one leads to its name.
func TestSourcesOfADirectoryThatMovedOften(t *testing.T) {
	m := script([][2]string{
		{"f/", "a/d/"}, {"a/d/e/b/d/", "d/e/"}, {"a/d/e/b/", "d/e/g/"}, {"d/e/g/", "h/"}, {"a/d/e/", "a/i/"}, {"a/i/", "h/j/"},
	}...)
	for prefix, want := range map[string][]string{
		"h/j/":  {"f/e/", "h/j/"},
		"h/":    {"f/e/b/", "h/"},
		"h/k":   {"f/e/b/k", "h/k"},
		"h/j/k": {"f/e/k", "h/j/k"},
	} {
		got := m.Sources(prefix)
		for _, p := range want {
			if !slices.Contains(got, p) {
				t.Errorf("%s comes from %q, want %q among them", prefix, got, want)
			}
		}
		if got[len(got)-1] != prefix {
			t.Errorf("%s comes from %q, the latest not last", prefix, got)
		}
	}
}

// TestSince: an object is looked for wherever a move may have taken it, done or not.
func TestSince(t *testing.T) {
	m := script([2]string{"d/", "e/"}, [2]string{"-d/", "e/"}, [2]string{"x/", "y/"}, [2]string{"e/b/", "f/"})
	for key, want := range map[string][]string{
		"d/a": {"d/a", "e/a"}, "d/b/c": {"d/b/c", "e/b/c", "f/c"}, "x/a": {"x/a", "y/a"}, "a": {"a"},
	} {
		if got := m.Since(key); !slices.Equal(got, want) {
			t.Errorf("%s is at %q, want %q", key, got, want)
		}
	}
}

// TestSinceForgets: so many moves are remembered, and no more.
func TestSinceForgets(t *testing.T) {
	m := &Moves{}
	for i := range remembered + 1 {
		from, to := fmt.Sprint(i, "/"), fmt.Sprint(i+1, "/")
		m.Begin(from, to)
		m.Done(from, to)
	}
	if got := m.Since("0/a"); !slices.Equal(got, []string{"0/a"}) {
		t.Errorf("%d places", len(got))
	}
	if got := m.Since("1/a"); len(got) != remembered+1 || got[remembered] != fmt.Sprint(remembered+1, "/a") {
		t.Errorf("%d places", len(got))
	}
}

// TestNothingIsLost moves directories at random, of which the store follows some: whatever is in
// the store is found from where the tree shows it.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &Moves{}
		type object struct{ store, tree string }
		objects := []object{{"a/x", "a/x"}, {"b/x", "b/x"}, {"a/b/x", "a/b/x"}}
		var underWay []move
		dir := rapid.SampledFrom([]string{"a/", "b/", "c/", "a/b/", "c/a/", "b/c/"})
		rename := func(at *string, mv move) {
			if rest, below := strings.CutPrefix(*at, mv.from); below {
				*at = mv.to + rest
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				mv := move{dir.Draw(t, "from"), dir.Draw(t, "to")}
				_, inside := strings.CutPrefix(mv.to, mv.from)
				for _, o := range objects {
					_, taken := strings.CutPrefix(o.tree, mv.to)
					inside = inside || taken
				}
				if inside {
					t.Skip("it cannot be renamed there")
				}
				m.Begin(mv.from, mv.to)
				underWay = append(underWay, mv)
				for i := range objects {
					rename(&objects[i].tree, mv)
				}
			},
			"follow": func(t *rapid.T) {
				if len(underWay) == 0 {
					t.Skip("nothing moves")
				}
				i := rapid.IntRange(0, len(underWay)-1).Draw(t, "which")
				mv := underWay[i]
				if slices.ContainsFunc(underWay[:i], mv.collides) {
					t.Skip("an earlier one comes first")
				}
				m.Done(mv.from, mv.to)
				underWay = slices.Delete(slices.Clone(underWay), i, i+1)
				for i := range objects {
					rename(&objects[i].store, mv)
				}
			},
			"": func(t *rapid.T) {
				for _, o := range objects {
					if !slices.Contains(m.Sources(o.tree), o.store) || m.Destination(o.store) != o.tree {
						t.Fatalf("%s is at %s, and looked for at %q; it goes to %s", o.tree, o.store, m.Sources(o.tree), m.Destination(o.store))
					}
					if m.AtRest(o.tree) && o.store != o.tree {
						t.Fatalf("%s is at %s, and at rest", o.tree, o.store)
					}
					if since := m.Since(o.store); since[len(since)-1] != o.tree && len(m.all) == len(underWay) {
						t.Fatalf("%s is at %s, and since at %q", o.tree, o.store, since)
					}
				}
			},
		})
	})
}

// collides reports whether two moves have to take turns.
func (m move) collides(other move) bool {
	for _, p := range []string{m.from, m.to} {
		for _, q := range []string{other.from, other.to} {
			if strings.HasPrefix(p, q) || strings.HasPrefix(q, p) {
				return true
			}
		}
	}
	return false
}
