package volume

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mcfs/crypt"
)

// wallAges are spellings of an age that the wall clock decides: a number of the clock's
// has no monotonic reading, and a time that is rounded or moved to a zone loses its own.
var wallAges = regexp.MustCompile(`time\.(Now|Since|Until)\(.*(UnixNano|UnixMilli|UnixMicro|time\.Unix)|time\.(Since|Until)\(time\.Unix|time\.Now\(\)\.(UTC|Local|Round|Truncate|Unix)\b.*(Sub|Add)`)

// TestAgesAreMonotonic: nothing that decides keeps a moment as a number of the wall
// clock's. After the clock has stepped back such an age is negative, and counts as young.
func TestAgesAreMonotonic(t *testing.T) {
	for _, room := range []string{".", "../store", "../spool", "../keys", "../fs", "../cmd"} {
		err := filepath.WalkDir(room, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for i, line := range strings.Split(string(text), "\n") {
				if wallAges.MatchString(line) {
					t.Errorf("%s:%d: keep a time.Time or an instant: %s", path, i+1, strings.TrimSpace(line))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestInstants: an instant is as young as the time that it was made of.
func TestInstants(t *testing.T) {
	now := time.Now()
	if instantOf(epoch) == 0 {
		t.Error("the first instant is never")
	}
	for _, c := range []struct {
		at   instant
		d    time.Duration
		want bool
	}{
		{0, time.Hour, false},
		{instantOf(now), time.Minute, true},
		{instantOf(now.Add(-time.Hour)), time.Minute, false},
		{instantOf(epoch), 0, false},
	} {
		if got := c.at.within(c.d); got != c.want {
			t.Errorf("instant %d within %v: %t", c.at, c.d, got)
		}
	}
}

// TestDescriptionIsNotFreshForEver: what a description said of a name holds for Fresh, by
// a clock that nobody sets.
func TestDescriptionIsNotFreshForEver(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("a", []byte("one"))
	r.sync()
	r.o.Fresh = time.Minute
	r.cold()
	if _, err := r.node("a").Attr(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, age := range []struct {
		by      time.Duration
		certain bool
	}{{0, true}, {2 * time.Minute, false}} {
		r.v.mu.Lock()
		root, n := r.v.root, r.v.root.dir.children["a"]
		root.dir.listedAt, root.dir.fresh = time.Time{}, nil
		n.seen = instantOf(time.Now().Add(-age.by))
		_, certain := r.v.known(root, "a")
		r.v.mu.Unlock()
		if certain != age.certain {
			t.Errorf("described %v ago: certain is %t", age.by, certain)
		}
	}
}
