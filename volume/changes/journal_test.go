package changes

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/remote"
)

// restate has a version state another owner, as the end of a change of attributes does.
func (r *rig) restate(ver *remote.Version, uid uint32) {
	attr := ver.Attr()
	attr.UID = uid
	ver.SetAttr(attr)
	r.locked(func() { r.runner.RestateCarriersLocked(ver) })
}

// expectOwner compares whose the only journaled change says that its version is.
func (r *rig) expectOwner(want uint32) {
	r.t.Helper()
	list := r.journaled()
	if len(list) != 1 {
		r.t.Fatalf("the journal has %d changes", len(list))
	}
	if uid := list[0].Ver.Attr().UID; uid != want {
		r.t.Errorf("the journal says that %d owns %s", uid, list[0].Path)
	}
}

// TestRestated: what a version states from now on is in the journal with the changes that carry it
// on: queued, or only journaled so far, but not with one that has begun, or could not be journaled.
func TestRestated(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		ver := version("a", 1)
		c := &Change{Op: Rename, Path: "a", To: "b", Ver: ver}
		h := &host{r: r, c: c}
		r.must(r.runner.Journal([]*Change{c}, nil))
		r.restate(ver, 10)
		r.expectOwner(10)
		r.indexed()
		r.fail(store.ErrUnavailable)
		r.locked(func() { r.runner.AddLocked(c, h) })
		r.indexed()
		synctest.Wait()
		r.restate(ver, 11)
		r.expectOwner(10) // it has begun: it looks at the store when it is taken up again
		failed := errors.New("the disk is gone")
		refused := &Change{Op: Rename, Path: "a", To: "c", Ver: ver}
		err := r.runner.Journal([]*Change{refused}, func(*spool.Tx) error {
			restated := make(chan struct{})
			go func() { r.restate(ver, 11); close(restated) }()
			<-restated
			return failed
		})
		if !errors.Is(err, failed) {
			t.Errorf("the transaction ended with %v", err)
		}
		r.restate(ver, 12)
		r.expectOwner(10)
		r.indexed()
	})
}

// TestRestatedWhileItWaits: it is in the journal with one that has not begun.
func TestRestatedWhileItWaits(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		ver := version("a", 1)
		r.locked(func() { r.queue.AddLocked(nil, "b") })
		h := r.add(Change{Op: Rename, Path: "a", To: "b", Ver: ver})
		r.restate(ver, 10)
		r.expectOwner(10)
		r.locked(func() { h.c.Ver = version("a", 2) })
		r.restate(ver, 11) // which it carries no more
		r.expectOwner(10)
	})
}

// TestAttrRestates: the end of a change of attributes tells the journal of those that carry the version on.
func TestAttrRestates(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		ver := version("a", 1)
		h := r.delay(Change{Op: Attr, Path: "a", Ver: ver})
		r.fail(store.ErrUnavailable)
		r.locked(r.runner.BeginDelayedLocked)
		synctest.Wait()
		r.locked(func() { r.queue.AddLocked(nil, "b") })
		r.add(Change{Op: Rename, Path: "a", To: "b", Ver: ver})
		attr := ver.Attr()
		attr.UID = 10
		ver.SetAttr(attr)
		r.fail(nil)
		time.Sleep(time.Minute)
		r.locked(func() {
			if h.ended != 1 {
				t.Errorf("it ended %d times", h.ended)
			}
		})
		r.expectOwner(10)
	})
}

// TestUnwanted: the end of a draft's entry is noted with what is still to be localised for it, in
// the same transaction; taken back, it is noted too.
func TestUnwanted(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.fail(store.ErrUnavailable)
		id, other := spool.NewID(), spool.NewID()
		h := r.add(Change{Op: Localise, Path: "a", Ver: version("a", 1), Entry: id})
		r.add(Change{Op: Localise, Path: "b", Ver: version("b", 2), Entry: other})
		j := r.spool.Journal()
		r.must(j.Update(func(tx *spool.Tx) error { return tx.PutEntry(spool.Entry{ID: id, Path: "a~"}) }))
		expect := func(when string, a, b, entry bool) {
			t.Helper()
			list := r.journaled()
			entries, err := j.Entries()
			r.must(err)
			if len(list) != 2 || list[0].Unwanted != a || list[1].Unwanted != b || len(entries) > 0 != entry || r.runner.IsUnwanted(h.c) != a {
				t.Errorf("%s: %+v, %d entries", when, list, len(entries))
			}
		}
		failed := errors.New("the disk is gone")
		err := j.Update(func(tx *spool.Tx) error { return errors.Join(r.runner.EndEntry(tx, id), failed) })
		if !errors.Is(err, failed) {
			t.Errorf("the transaction ended with %v", err)
		}
		r.must(r.runner.KeepEntry(id))
		expect("taken back", false, false, true)
		r.must(j.Update(func(tx *spool.Tx) error { return r.runner.EndEntry(tx, id) }))
		expect("ended", true, false, false)
		r.indexed()
		r.fail(nil)
		time.Sleep(time.Minute)
		r.expectNone()
	})
}

// TestNoChangeComesBack: a change that ends, whatever the journal was still to be told of it, is
// gone from there; and each is found by what it is known by, all the time.
func TestNoChangeComesBack(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				random := rand.New(rand.NewPCG(seed, 1))
				d := &drawn{r: r, rand: random, dropped: make(map[*host]bool), versions: make(map[string]*remote.Version)}
				for i, name := range names {
					d.versions[name] = version(name, byte(i))
				}
				for range 60 {
					d.step()
					r.indexed()
				}
				r.fail(nil)
				time.Sleep(2 * time.Hour)
				r.expectNone()
				for _, h := range d.hosts {
					r.locked(func() {
						if h.ended != 1 && !d.dropped[h] {
							t.Errorf("%s ended %d times", brief(h.c), h.ended)
						}
					})
				}
			})
		})
	}
}

// drawn are changes drawn at random, of a few names and versions.
type drawn struct {
	r        *rig
	rand     *rand.Rand
	hosts    []*host
	dropped  map[*host]bool
	versions map[string]*remote.Version
}

// names are those of which one is drawn.
var names = []string{"a", "b", "c", "d"}

// step does one thing that the tree may do.
func (d *drawn) step() {
	r := d.r
	one, two := names[d.rand.IntN(4)], names[d.rand.IntN(4)]
	switch d.rand.IntN(9) {
	case 0:
		d.hosts = append(d.hosts, r.add(Change{Op: Rename, Path: one, To: two, Ver: d.versions[one]}))
	case 1:
		d.hosts = append(d.hosts, r.add(Change{Op: Localise, Path: one, Ver: d.versions[one], Entry: spool.NewID()}))
	case 2:
		d.hosts = append(d.hosts, r.delay(Change{Op: Attr, Path: one, Ver: d.versions[one]}))
	case 3:
		d.hosts = append(d.hosts, r.add(Change{Op: Mkdir, Path: one + "/"}))
	case 4:
		r.fail(store.ErrUnavailable)
	case 5:
		r.fail(nil)
	case 6:
		time.Sleep(time.Duration(d.rand.Int64N(int64(2 * gather))))
	case 7:
		r.locked(r.runner.FollowAllLocked)
	case 8:
		d.drop()
	}
	if len(d.hosts) > 0 {
		h := d.hosts[d.rand.IntN(len(d.hosts))]
		r.restate(d.versions[one], d.rand.Uint32())
		r.locked(func() {
			if r.runner.IsDelayedLocked(h.c) {
				h.path = two
				r.must(r.runner.RestateLocked(h.c, sidecar.Attr{UID: d.rand.Uint32()}))
			}
		})
		if h.c.Op == Localise {
			r.must(r.runner.KeepEntry(h.c.Entry))
		}
	}
}

// drop has one come to nothing, if that is possible still.
func (d *drawn) drop() {
	if len(d.hosts) == 0 {
		return
	}
	r, h := d.r, d.hosts[d.rand.IntN(len(d.hosts))]
	var retracted bool
	r.locked(func() {
		switch {
		case d.dropped[h]:
		case r.runner.IsDelayedLocked(h.c):
			d.dropped[h] = true
			r.runner.ForgetLocked(h.c)
		case h.ended == 0:
			retracted = r.runner.RetractLocked(h.c)
		}
	})
	if retracted {
		d.dropped[h] = true
		r.must(r.spool.Journal().Update(h.c.Cancel))
		r.locked(func() { r.runner.CancelLocked(h.c) })
	}
}
