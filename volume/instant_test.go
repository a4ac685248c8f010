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
	"mcfs/volume/clock"
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
		root, n := r.v.root, r.v.root.dir.Get("a")
		root.dir.Expire("a")
		n.seen = clock.At(time.Now().Add(-age.by))
		_, certain := r.v.known(root, "a")
		r.v.mu.Unlock()
		if certain != age.certain {
			t.Errorf("described %v ago: certain is %t", age.by, certain)
		}
	}
}
