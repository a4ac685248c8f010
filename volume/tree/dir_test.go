package tree

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/store"
)

// TestRemoved: a name that was removed is gone until a listing can tell of it.
func TestRemoved(t *testing.T) {
	for _, c := range []struct {
		name          string
		done          func(d *Dir[string])
		gone, removed bool
	}{
		{"never there", func(*Dir[string]) {}, false, false},
		{"removed", func(d *Dir[string]) { d.Bury("a") }, true, true},
		{"removed, and queued", func(d *Dir[string]) { d.Bury("a"); d.Leave("a") }, true, true},
		{"taken by something else at once", func(d *Dir[string]) { d.Put("a", "b"); d.BuryIfFree("a"); d.Leave("a") }, false, true},
		{"free, and queued", func(d *Dir[string]) { d.BuryIfFree("a") }, true, true},
		{"done", func(d *Dir[string]) { d.Bury("a"); d.Leave("a"); d.Left("a", at(0)) }, false, true},
		{"one of two done", func(d *Dir[string]) { d.Leave("a"); d.Leave("a"); d.Left("a", at(0)) }, true, true},
		{"come to nothing", func(d *Dir[string]) { d.Bury("a"); d.Leave("a"); d.Stay("a") }, false, false},
		{"one of two come to nothing", func(d *Dir[string]) { d.Bury("a"); d.Leave("a"); d.Leave("a"); d.Stay("a") }, true, true},
		{"made anew", func(d *Dir[string]) { d.Bury("a"); d.Put("a", "a") }, false, true},
		{"renamed to", func(d *Dir[string]) { d.Bury("a"); d.Enter("a", "a") }, false, false},
		{"done before a listing", func(d *Dir[string]) { d.Leave("a"); d.Left("a", at(0)); d.MarkListed(at(1)) }, false, false},
		{"done when a listing was begun", func(d *Dir[string]) { d.Leave("a"); d.Left("a", at(1)); d.MarkListed(at(1)) }, false, true},
		{"not done before a listing", func(d *Dir[string]) { d.Bury("a"); d.MarkListed(at(1)) }, true, true},
	} {
		d := NewDir[string]()
		c.done(&d)
		if d.IsGone("a") != c.gone || d.WasRemoved("a") != c.removed {
			t.Errorf("%s: gone %t, removed %t; want %t, %t", c.name, d.IsGone("a"), d.WasRemoved("a"), c.gone, c.removed)
		}
	}
}

// TestDropIf: a name that leads elsewhere by now stays.
func TestDropIf(t *testing.T) {
	d := NewDir[string]()
	d.Put("a", "old")
	if d.DropIf("a", "new"); d.Get("a") != "old" {
		t.Error("another's name is gone")
	}
	if d.DropIf("a", "old"); d.Get("a") != "" || d.Len() != 0 {
		t.Error("the name is there")
	}
}

// TestFresh: what is known is fresh for as long as is asked, of one name or of all, until it
// expires; and then it is still known.
func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDir[string]()
		expect := func(when string, listed, all, a, b bool) {
			t.Helper()
			if d.IsListed() != listed || d.IsFresh(time.Second) != all {
				t.Errorf("%s: listed %t, fresh %t", when, d.IsListed(), d.IsFresh(time.Second))
			}
			if d.IsNameFresh("a", time.Second) != a || d.IsNameFresh("b", time.Second) != b {
				t.Errorf("%s: a fresh %t, b fresh %t", when, d.IsNameFresh("a", time.Second), d.IsNameFresh("b", time.Second))
			}
		}
		expect("unknown", false, false, false, false)
		d.Expire("a")
		expect("unknown, and expired", false, false, false, false)
		d.MarkProbed("a", time.Now())
		expect("one name asked for", false, false, true, false)
		time.Sleep(time.Second)
		expect("a second later", false, false, false, false)
		d.MarkListed(time.Now())
		expect("listed", true, true, true, true)
		time.Sleep(time.Second - time.Nanosecond)
		expect("just fresh", true, true, true, true)
		time.Sleep(time.Nanosecond)
		expect("not any more", true, false, false, false)
		d.MarkListed(time.Now())
		d.MarkProbed("a", time.Now())
		d.MarkProbed("b", time.Now())
		d.Expire("a")
		expect("one name expired", true, false, false, true)
	})
}

// TestProbed: so many names are fresh by themselves, and no more.
func TestProbed(t *testing.T) {
	d := NewDir[string]()
	for i := range 3 * mostProbed {
		d.MarkProbed(fmt.Sprint(i), time.Now())
	}
	if n := len(d.probed); n > mostProbed+1 {
		t.Errorf("%d names are kept", n)
	}
}

// TestCountProbe: as many names are looked up singly as a listing would have pages, and a few.
func TestCountProbe(t *testing.T) {
	for entries, want := range map[int]int{0: 9, store.MaxPage: 11, 10 * store.MaxPage: 29} {
		d := NewDir[int]()
		for i := range entries {
			d.Put(fmt.Sprint(i), i+1)
		}
		for range 2 { // and anew after a listing
			n := 1
			for !d.CountProbe() {
				n++
			}
			if n != want {
				t.Errorf("%d names: a listing after %d look-ups, want %d", entries, n, want)
			}
			d.BeginListing()
		}
	}
}

// TestAhead: what follows in the last list is described with an entry, once; without a list, what
// follows in the directory, once a program goes through it.
func TestAhead(t *testing.T) {
	name := func(i int) string { return fmt.Sprintf("%04d", i) }
	const files = most + 10
	d := NewDir[int]()
	for i := range files {
		d.Put(name(i), i)
	}
	list := d.List()
	if len(list) != files || !slices.IsSortedFunc(list, func(a, b Entry[int]) int { return a.Leaf - b.Leaf }) {
		t.Fatalf("%d names, or not in order", len(list))
	}
	expect := func(when string, i, first, last int) {
		t.Helper()
		got := d.Ahead(name(i), i)
		if last < first {
			if len(got) != 0 {
				t.Errorf("%s: %d are described", when, len(got))
			}
			return
		}
		if len(got) != last-first+1 || got[0] != first || got[len(got)-1] != last {
			t.Errorf("%s: %d are described, want %d to %d", when, len(got), first, last)
		}
	}
	expect("the first", 0, 0, most-1)
	expect("one that is being described", 5, 0, -1)
	expect("the next", most, most, files-1)
	expect("again", most, 0, -1)
	for i := range 3 {
		first, last := 0, -1
		if i == 2 { // the third in a row is a walk
			first, last = 102, files-1
		}
		expect(fmt.Sprintf("step %d of a walk", i), 100+i, first, last)
	}
	d.List()
	d.Put(name(7), -7)
	if got := d.Ahead(name(7), -7); got != nil {
		t.Errorf("what has come to a name since the list takes %d with it", len(got))
	}
}
