package listing

import (
	"strings"
	"testing"

	"mcfs/store"
	"mcfs/volume/naming"
)

// FuzzListed: a page of a listing, of whatever names: only what can be shown comes out.
func FuzzListed(f *testing.F) {
	f.Add("", "a", "a.settings.json", "d/")
	f.Add("d/", "d/a", "d/a/", "d/")
	f.Add("d/", "d//a", "e/a", "d")
	f.Add("", "..", "\xff", "x\x00y/")
	f.Fuzz(func(t *testing.T, prefix, a, b, folder string) {
		names := make(Names)
		names.collect(store.Page{Objects: []store.Info{{Key: a}, {Key: b}}, Prefixes: []string{folder}}, prefix)
		names.pair()
		for name, found := range names {
			if name != "" && !naming.Showable(name) {
				t.Fatalf("%q", name)
			}
			if found.Object != nil && !strings.HasPrefix(found.Object.Key, prefix) {
				t.Fatalf("%q is not below %q", found.Object.Key, prefix)
			}
		}
	})
}
