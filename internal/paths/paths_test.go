package paths

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mcfs/sidecar"
)

// TestWalk: a directory of many files, links in circles and sidecars is named once, whole, and no
// further than somebody wants it.
func TestWalk(t *testing.T) {
	dir := t.TempDir()
	want := make(map[string]bool)
	for i := range 3 * dirBatch {
		at := filepath.Join(dir, fmt.Sprint("d", i%3), fmt.Sprintf("%d.mov", i))
		want[at] = true
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, nil, 0o600), os.WriteFile(sidecar.Name(at), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("..", filepath.Join(dir, "d0", "up")), os.Symlink("0.mov", filepath.Join(dir, "d0", "same.mov")), os.WriteFile(filepath.Join(dir, "x.txt"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	s := Source{Args: []string{dir}, Recursive: true, Match: []string{"*.mov"}}
	if err := s.Each(t.Context(), func(f Found) bool {
		if !want[f.Path] || f.Err != nil {
			t.Errorf("%+v", f)
		}
		delete(want, f.Path)
		return true
	}); err != nil || len(want) > 0 {
		t.Errorf("%v; not named: %d", err, len(want))
	}
	n := 0
	if err := s.Each(t.Context(), func(Found) bool { n++; return n < 5 }); err != nil || n != 5 {
		t.Errorf("%d were named, %v", n, err)
	}
}

// TestNamesFromAList: names end with a line or with NUL, as the list is said to be.
func TestNamesFromAList(t *testing.T) {
	for _, c := range []struct {
		text string
		zero bool
		want []string
	}{
		{"a\n\nb c\r\n d", false, []string{"a", "b c", " d"}},
		{"a\x00\x00b\nc\x00d", true, []string{"a", "b\nc", "d"}},
		{"", false, nil},
	} {
		var got []string
		err := Source{List: "-", Zero: c.zero, In: strings.NewReader(c.text)}.Each(t.Context(), func(f Found) bool {
			got = append(got, f.Path)
			return true
		})
		if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
			t.Errorf("%q: %q, %v", c.text, got, err)
		}
	}
	err := Source{List: "-", In: strings.NewReader(strings.Repeat("x", maxName+1))}.Each(t.Context(), func(Found) bool { return true })
	if !errors.Is(err, ErrTooLong) {
		t.Errorf("a name that is too long: %v", err)
	}
}
