package remote

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"mcfs/sidecar"
	"mcfs/store"
)

// step is one of the things that this package does to a key.
type step struct {
	name  string
	setup func(r *rig)
	do    func(r *rig) error
}

// relocate is one try of a relocation of what stood at from.
func (r *rig) relocate(from, to string, more func(*Relocation)) error {
	if r.relocation == nil {
		r.relocation = &Relocation{From: from, To: to, Version: r.at[from], Queued: r.at[from], Replaces: r.at[to]}
		if more != nil {
			more(r.relocation)
		}
	}
	r.relocation.Recovered, r.relocation.Retried = r.recovered, r.tries > 0
	return r.c.Relocate(r.t.Context(), r.relocation)
}

// unarrived puts an older version at a key, and a newer one over it that never arrives.
func (r *rig) unarrived(key string) {
	old := r.save(key, "old")
	r.at[key], _ = r.seal(key, "never there")
	r.at[key].SetFallback(old)
}

// damage puts a sidecar that nobody can read beside an object that says nothing.
func (r *rig) damage(key string) {
	for name, text := range map[string]string{key: "cipher", sidecar.Name(key): "{"} {
		meta := map[string]string{sidecar.KeyVersion: "1"}
		_, err := r.s.Store.Put(r.t.Context(), name, bodyOf([]byte(text)), store.Attributes{Metadata: meta}, store.Condition{})
		r.must(err)
	}
}

// putMarkers makes directories.
func (r *rig) putMarkers(list ...string) {
	for _, key := range list {
		_, err := r.c.PutMarker(r.t.Context(), key, attr(0o755))
		r.must(err)
	}
}

// trash puts a version under a local-only name, where it states itself what its sidecar did.
func (r *rig) trash(text string) *Version {
	x := r.save("a", text)
	r.must(r.relocate("a", "trash/a", nil))
	r.relocation = nil
	delete(r.at, "a")
	r.at["trash/a"] = x
	return x
}

func steps() []step {
	return slices.Concat(sidecarSteps(), removeSteps(), relocateSteps(), trashSteps(), otherSteps())
}

func sidecarSteps() []step {
	return []step{
		{"put a sidecar", func(r *rig) { r.object("a", "text") }, func(r *rig) error {
			return r.c.PutSidecar(r.t.Context(), r.at["a"], "a", store.Condition{IfNone: true}, nil)
		}},
		{"withdraw a sidecar", func(r *rig) { r.save("a", "text") }, func(r *rig) error {
			return r.c.DeleteSidecar(r.t.Context(), r.at["a"], "a", r.at["a"].Sidecar().ETag, nil)
		}},
		{"withdraw a sidecar that another machine has put again", func(r *rig) {
			x := r.save("a", "text")
			r.must(r.c.putAttr(r.t.Context(), x, "a", attr(0o600), store.Condition{}))
			x.SetSidecar(Sidecar{ETag: "older"})
		}, func(r *rig) error {
			return r.c.DeleteSidecar(r.t.Context(), r.at["a"], "a", r.at["a"].Sidecar().ETag, nil)
		}},
		{"restore a sidecar", func(r *rig) {
			x := r.save("a", "text")
			r.must(r.c.DeleteSidecar(r.t.Context(), x, "a", "", nil))
			x.SetSidecar(Sidecar{})
		}, func(r *rig) error { return r.c.RestoreSidecar(r.t.Context(), r.at["a"], "a") }},
		{"publish what was found", func(r *rig) { r.object("a", "text") }, func(r *rig) error {
			return r.c.PublishFound(r.t.Context(), r.at["a"], "a")
		}},
		{"change attributes", func(r *rig) { r.save("a", "text") }, func(r *rig) error {
			return r.c.PutAttr(r.t.Context(), AttrChange{Version: r.at["a"], Attr: attr(0o600), Tries: r.tries})
		}},
		{"change attributes of which another machine has changed some", func(r *rig) {
			x := r.save("a", "text")
			was := x.Sidecar()
			other := attr(0o644)
			other.UID = 99
			r.must(r.c.putAttr(r.t.Context(), x, "a", other, store.Condition{}))
			x.SetAttr(attr(0o644))
			x.SetSidecar(was)
		}, func(r *rig) error {
			return r.c.PutAttr(r.t.Context(), AttrChange{Version: r.at["a"], Attr: attr(0o600), Tries: r.tries})
		}},
	}
}

func removeSteps() []step {
	remove := func(r *rig) error { _, err := r.c.Remove(r.t.Context(), r.at["a"], "a", nil); return err }
	return []step{
		{"remove", func(r *rig) { r.save("a", "text") }, remove},
		{"remove without a sidecar", func(r *rig) { r.object("a", "text") }, remove},
		{"remove a foreign object", func(r *rig) { r.foreign("a", "text") }, remove},
		{"remove what was only listed", func(r *rig) {
			x := r.save("a", "text")
			key, etag := x.Place()
			r.at["a"] = Listed(Listing{Key: key, ETag: etag, Size: x.Cipher, Sidecar: x.Sidecar()})
		}, remove},
		{"remove what was copied onto itself", func(r *rig) {
			x := r.save("a", "text")
			x.Moved("a", "older", x.Sidecar())
		}, remove},
		{"remove what never arrived", func(r *rig) { r.unarrived("a") }, remove},
	}
}

func relocateSteps() []step {
	rename := func(r *rig) error { return r.relocate("a", "b", nil) }
	return []step{
		{"rename", func(r *rig) { r.save("a", "text") }, rename},
		{"rename over another", func(r *rig) { r.save("a", "text"); r.save("b", "other") }, rename},
		{"rename over a foreign object", func(r *rig) { r.save("a", "text"); r.foreign("b", "other") }, rename},
		{"rename a foreign object", func(r *rig) { r.foreign("a", "text") }, rename},
		{"rename a foreign object over a file", func(r *rig) { r.foreign("a", "text"); r.save("b", "other") }, rename},
		{"rename without a sidecar", func(r *rig) { r.object("a", "text") }, rename},
		{"rename what another machine has changed attributes of", func(r *rig) {
			x := r.save("a", "text")
			was := x.Sidecar()
			r.must(r.c.putAttr(r.t.Context(), x, "a", attr(0o600), store.Condition{}))
			x.SetAttr(attr(0o644))
			x.SetSidecar(was)
		}, rename},
		{"rename what never arrived", func(r *rig) { r.unarrived("a") }, func(r *rig) error {
			err := rename(r)
			if r.recovered && errors.Is(err, store.ErrNotExist) {
				return nil // what stood in its place has gone to the new name, and nothing is left to be done
			}
			return err
		}},
		{"rename over what never arrived", func(r *rig) { r.save("a", "text"); r.unarrived("b") }, rename},
		{"rename a symlink", func(r *rig) {
			x := r.symlink("a", "target")
			_, err := r.c.PutSymlink(r.t.Context(), x, "a", x.Attr())
			r.must(err)
		}, rename},
		{"rename to a name that nobody sees", func(r *rig) { r.save("a", "text") }, func(r *rig) error {
			return r.relocate("a", "b", func(l *Relocation) { l.NoSidecarTo = true })
		}},
		{"rename from a name that nobody sees", func(r *rig) { r.object("a", "text") }, func(r *rig) error {
			return r.relocate("a", "b", func(l *Relocation) { l.NoSidecarFrom = true })
		}},
		{"copy aside", func(r *rig) { r.save("a", "text") }, func(r *rig) error {
			l := &Relocation{From: "a", To: "b", Version: r.at["a"]}
			if key, _ := l.Version.Place(); key == "b" { // an earlier try had made it
				return r.c.PutSidecar(r.t.Context(), l.Version, "b", store.Condition{IfNone: true}, nil)
			}
			return r.c.CopyAside(r.t.Context(), l)
		}},
		{"move what is damaged", func(r *rig) { r.damage("a") }, func(r *rig) error {
			return r.c.MoveDamaged(r.t.Context(), "a", "b", nil)
		}},
	}
}

func trashSteps() []step {
	in := func(r *rig) { r.trash("text") }
	return []step{
		{"rename to the trash", func(r *rig) { r.save("a", "text") }, func(r *rig) error {
			return r.relocate("a", "trash/a", nil)
		}},
		{"rename to the trash what another machine has changed attributes of", func(r *rig) {
			x := r.save("a", "text")
			was := x.Sidecar()
			r.must(r.c.putAttr(r.t.Context(), x, "a", attr(0o600), store.Condition{}))
			x.SetAttr(attr(0o644))
			x.SetSidecar(was)
		}, func(r *rig) error { return r.relocate("a", "trash/a", nil) }},
		{"rename from the trash", in, func(r *rig) error { return r.relocate("trash/a", "a", nil) }},
		{"rename within the trash", in, func(r *rig) error { return r.relocate("trash/a", "trash/b", nil) }},
		{"rename within the trash what has a sidecar there", func(r *rig) {
			x := r.trash("text")
			r.must(r.c.PutAttr(r.t.Context(), AttrChange{Version: x, Attr: attr(0o600)}))
		}, func(r *rig) error { return r.relocate("trash/a", "trash/b", nil) }},
		{"restore a sidecar in the trash", in, func(r *rig) error {
			return r.c.RestoreSidecar(r.t.Context(), r.at["trash/a"], "trash/a")
		}},
		{"publish what was found in the trash", in, func(r *rig) error {
			return r.c.PublishFound(r.t.Context(), r.at["trash/a"], "trash/a")
		}},
		{"change attributes in the trash", in, func(r *rig) error {
			return r.c.PutAttr(r.t.Context(), AttrChange{Version: r.at["trash/a"], Attr: attr(0o600), Tries: r.tries})
		}},
		{"remove from the trash", in, func(r *rig) error {
			_, err := r.c.Remove(r.t.Context(), r.at["trash/a"], "trash/a", nil)
			return err
		}},
	}
}

func otherSteps() []step {
	return []step{
		{"put a symlink", func(r *rig) { r.symlink("a", "target") }, func(r *rig) error {
			_, err := r.c.PutSymlink(r.t.Context(), r.at["a"], "a", r.at["a"].Attr())
			return err
		}},
		{"restate a symlink", func(r *rig) {
			x := r.symlink("a", "target")
			_, err := r.c.PutSymlink(r.t.Context(), x, "a", x.Attr())
			r.must(err)
		}, func(r *rig) error {
			info, ours, err := r.c.Find(r.t.Context(), r.at["a"], "a")
			if err != nil || !ours {
				return err
			}
			a := r.at["a"].Attr()
			a.UID = 77
			_, err = r.c.RestateSymlink(r.t.Context(), r.at["a"], info, a, nil)
			return err
		}},
		{"put a marker", func(*rig) {}, func(r *rig) error {
			_, err := r.c.PutMarker(r.t.Context(), "d/", attr(0o755))
			return err
		}},
		{"remove a marker", func(r *rig) { r.putMarkers("d/") }, func(r *rig) error {
			return r.c.RemoveMarker(r.t.Context(), "d/")
		}},
		{"move markers", func(r *rig) { r.putMarkers("d/", "d/e/", "d/e/f/") }, func(r *rig) error {
			return r.c.MoveMarkers(r.t.Context(), "d/", "n/", []string{"d/", "d/e/", "d/e/f/"})
		}},
	}
}

// finish repeats a step until it succeeds.
func (r *rig) finish(s step) {
	r.t.Helper()
	for ; ; r.tries++ {
		err := s.do(r)
		if err == nil {
			return
		}
		if r.tries == 5 {
			r.t.Fatalf("%s: %v", s.name, err)
		}
	}
}

// TestEveryRequestMayFail takes each step and each of its requests, which fails unsent or
// with a lost answer, and repeats the step: in the same mount, or in the next one. The store
// is the same in the end, and no sidecar was wrong at any moment (P3).
func TestEveryRequestMayFail(t *testing.T) {
	for _, s := range steps() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var want map[string]string
			requests := 0
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				s.setup(r)
				r.s.count = 0
				r.must(s.do(r))
				want, requests = r.snapshot(), r.s.count
			})
			if requests == 0 {
				t.Fatal("nothing was asked of the store")
			}
			for n := 1; n <= requests; n++ {
				for _, lost := range []bool{false, true} {
					for _, next := range []bool{false, true} {
						name := fmt.Sprintf("request %d of %d, lost %v, next mount %v", n, requests, lost, next)
						synctest.Test(t, func(t *testing.T) { failAt(t, s, name, n, lost, next, want) })
					}
				}
			}
		})
	}
}

// failAt is one row: the step, of which a request fails, and its repetition.
func failAt(t *testing.T, s step, name string, n int, lost, next bool, want map[string]string) {
	r := newRig(t)
	s.setup(r)
	r.keep()
	r.s.count, r.s.at, r.s.lost = 0, n, lost
	err := s.do(r)
	r.s.at = 0
	if next {
		r.remount()
	}
	if err != nil {
		r.tries++
		r.finish(s)
	} else if next {
		r.finish(s) // the journal may not know that it is done
	}
	if diff := cmp.Diff(want, r.snapshot()); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}
