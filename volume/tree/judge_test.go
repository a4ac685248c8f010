package tree

import (
	"maps"
	"slices"
	"testing"
	"time"

	"mcfs/store"
	"mcfs/volume/listing"
)

// at is a moment, in seconds after the one at which listings are begun.
func at(seconds int) time.Time { return time.Unix(1_700_000_000+int64(seconds), 0) }

// what the store may have under a name.
var (
	nothing  *listing.Name
	file     = &listing.Name{Object: &store.Info{Key: "a"}}
	folder   = &listing.Name{Folder: true}
	bothOf   = &listing.Name{Object: &store.Info{Key: "a"}, Folder: true}
	nameless = &listing.Name{}
)

// TestJudge: what a listing means for a name depends on what is known of it, and on what this
// machine has done to it before the store had that.
func TestJudge(t *testing.T) {
	none := func(*Dir[string]) {}
	aFile := &Known{Changed: at(-1)}
	aDir := &Known{Folder: true, Changed: at(-1)}
	for _, c := range []struct {
		name  string
		done  func(d *Dir[string]) // before the listing
		known *Known               // of the name; nil: it is not there
		found *listing.Name
		want  Verdict
		hides bool
	}{
		{"nothing is there, nor was", none, nil, nothing, Keep, false},
		{"a new file", none, nil, file, MakeFile, false},
		{"a new directory", none, nil, folder, MakeDir, false},
		{"a directory that hides a file", none, nil, bothOf, MakeDir, true},
		{"a name with nothing", none, nil, nameless, Keep, false},
		{"a file that is gone", none, aFile, nothing, Forget, false},
		{"a file that is there", none, aFile, file, Compare, false},
		{"a directory for a file", none, aFile, folder, MakeDir, false},
		{"a directory that is gone", none, aDir, nothing, Forget, false},
		{"a directory that is there", none, aDir, folder, Keep, false},
		{"a directory that is there, and hides a file", none, aDir, bothOf, Keep, true},
		{"a file for a directory", none, aDir, file, MakeFile, false},
		{"a file that is known here alone", none, &Known{Local: true}, nothing, Keep, false},
		{"a file that is written here", none, &Known{Local: true, Changed: at(-1)}, file, Keep, false},
		{"a name that was changed at that instant", none, &Known{Changed: at(0)}, nothing, Keep, false},
		{"a name that was changed since", none, &Known{Changed: at(1)}, folder, Keep, false},
		{"a directory that is gone, with a draft below it", none, &Known{Folder: true, Below: func() bool { return true }}, nothing, Keep, false},
		{"a file for a directory with a draft below it", none, &Known{Folder: true, Below: func() bool { return true }}, file, Keep, false},
		{"a directory for one with a draft below it", none, &Known{Folder: true, Below: func() bool { return true }}, folder, Keep, false},
		{"a name that was removed, not in the store yet", func(d *Dir[string]) { d.Bury("a") }, nil, file, Keep, false},
		{"a name whose removal is queued", func(d *Dir[string]) { d.Leave("a") }, nil, file, Keep, false},
		{"a name whose removal was done at that instant", func(d *Dir[string]) { d.Leave("a"); d.Left("a", at(0)) }, nil, file, Keep, false},
		{"a name whose removal was done since", func(d *Dir[string]) { d.Leave("a"); d.Left("a", at(1)) }, nil, bothOf, Keep, false},
		{"a name whose removal was done before", func(d *Dir[string]) { d.Leave("a"); d.Left("a", at(-1)) }, nil, file, MakeFile, false},
		{"a name of which one of two removals is done", func(d *Dir[string]) { d.Leave("a"); d.Leave("a"); d.Left("a", at(-1)) }, nil, file, Keep, false},
		{"a name whose removal came to nothing", func(d *Dir[string]) { d.Bury("a"); d.Leave("a"); d.Stay("a") }, nil, file, MakeFile, false},
		{"a name that was removed, and renamed to", func(d *Dir[string]) { d.Bury("a"); d.Enter("a", "a") }, aFile, nothing, Forget, false},
		{"a name that was removed, and made anew", func(d *Dir[string]) { d.Bury("a"); d.Put("a", "a") }, aFile, nothing, Keep, false},
	} {
		d := NewDir[string]()
		if c.known != nil {
			if c.known.Folder && c.known.Below == nil {
				c.known.Below = func() bool { return false }
			}
			d.Put("a", "a")
		}
		c.done(&d)
		v, hides := d.Judge("a", c.found, at(0), func(string) Known { return *c.known })
		if v != c.want || hides != c.hides {
			t.Errorf("%s: verdict %d, hides %t; want %d, %t", c.name, v, hides, c.want, c.hides)
		}
	}
}

// TestHiddenOnce: of a directory that hides a file of its name it is said once.
func TestHiddenOnce(t *testing.T) {
	d := NewDir[string]()
	look := func(string) Known { return Known{} }
	if _, hides := d.Judge("a", bothOf, at(0), look); !hides {
		t.Error("not said")
	}
	if _, hides := d.Judge("a", bothOf, at(1), look); hides {
		t.Error("said again")
	}
	if _, hides := d.Judge("b", bothOf, at(1), look); !hides {
		t.Error("not said of another")
	}
}

// TestMerge: each name that was found, or is known, is judged once; and what has changed since an
// earlier listing is told.
func TestMerge(t *testing.T) {
	d := NewDir[string]()
	d.Put("here", "here")
	d.Put("both", "both")
	judged := make(map[string]bool)
	take := func(name string, found *listing.Name) {
		if judged[name] {
			t.Errorf("%s is judged twice", name)
		}
		judged[name] = true
		if found == nil {
			d.Drop(name)
		} else {
			d.Put(name, name)
		}
	}
	names := listing.Names{"both": file, "there": folder}
	if d.Merge(names, at(0), take) {
		t.Error("the first listing has changed what an earlier one had shown")
	}
	if want := []string{"both", "here", "there"}; !slices.Equal(slices.Sorted(maps.Keys(judged)), want) {
		t.Errorf("judged are %v, want %v", judged, want)
	}
	clear(judged)
	if d.Merge(names, at(1), take) {
		t.Error("the same names are a change")
	}
	clear(judged)
	if !d.Merge(listing.Names{"both": file}, at(2), take) {
		t.Error("a name that has gone is no change")
	}
	if d.Len() != 1 || d.Get("both") != "both" {
		t.Errorf("left is %v", maps.Collect(d.All()))
	}
}
