package changes

import (
	"testing"
	"testing/synctest"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
)

// TestGathered: changes of attributes that come one after another share a request, which states the last.
func TestGathered(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		h := r.delay(Change{Op: Attr, Path: "a", Ver: version("a", 1)})
		time.Sleep(gather / 2)
		r.locked(func() { r.must(r.runner.RestateLocked(h.c, sidecar.Attr{UID: 7})) })
		if list := r.journaled(); len(list) != 1 || list[0].Attr.UID != 7 {
			t.Errorf("the journal has %+v", list)
		}
		r.expectTries()
		r.indexed()
		time.Sleep(gather)
		r.expectTries("attr a")
		r.expectNone()
	})
}

// TestPutOff: it waits for what is under way, but not for ever.
func TestPutOff(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		for _, ends := range []bool{true, false} {
			h := r.delay(Change{Op: Mkdir, Path: "d/"})
			r.locked(func() { h.putOff = true })
			time.Sleep(5*gather + time.Second)
			r.locked(r.runner.BeginDelayedLocked)
			r.expectTries()
			if ends {
				r.locked(func() { h.putOff = false })
				time.Sleep(gather)
			} else {
				time.Sleep(maxWaits * gather)
			}
			r.expectTries("mkdir d/")
			r.expectNone()
		}
	})
}

// TestBegunEarly: a sync does not wait until more has come.
func TestBegunEarly(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		h := r.delay(Change{Op: Attr, Path: "a", Ver: version("a", 1)})
		r.locked(r.runner.BeginDelayedLocked)
		r.expectTries("attr a")
		time.Sleep(time.Hour)
		r.expectTries()
		r.locked(func() {
			if r.runner.IsDelayedLocked(h.c) || h.ended != 1 {
				t.Errorf("it ended %d times", h.ended)
			}
		})
	})
}

// TestForgotten: what is dropped is not carried out, and the journal has it no more.
func TestForgotten(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		h := r.delay(Change{Op: Attr, Path: "a", Ver: version("a", 1)})
		r.expectJournaled("attr a")
		r.locked(func() {
			r.must(r.runner.RestateLocked(h.c, sidecar.Attr{UID: 7})) // which the journal is to know later
			r.runner.ForgetLocked(h.c)
		})
		r.expectNone()
		time.Sleep(time.Hour)
		r.expectTries()
	})
}

// TestForgottenAtTheLastMoment: its time comes while it is dropped.
func TestForgottenAtTheLastMoment(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		h := r.delay(Change{Op: Attr, Path: "a", Ver: version("a", 1)})
		r.expectJournaled("attr a") // so that nothing else waits for the lock
		r.locked(func() {
			time.Sleep(gather)
			r.runner.ForgetLocked(h.c)
		})
		time.Sleep(time.Hour)
		r.expectTries()
		r.expectNone()
	})
}

// TestFollows: renamed, it is journaled behind the rename, and writes under the new name.
func TestFollows(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		a := r.delay(Change{Op: Attr, Path: "a", Ver: version("a", 1)})
		d := r.delay(Change{Op: Mkdir, Path: "d/"})
		r.fail(store.ErrUnavailable)
		r.add(Change{Op: Rename, Path: "a", To: "b", Ver: version("a", 1)})
		r.expectJournaled("attr a", "mkdir d/", "rename a>b")
		r.locked(func() { a.path = "b"; r.runner.FollowLocked(a.c); r.runner.FollowLocked(d.c) })
		r.expectJournaled("mkdir d/", "rename a>b", "attr b")
		r.locked(func() { d.path = "e/"; r.runner.FollowAllLocked() })
		r.expectJournaled("rename a>b", "attr b", "mkdir e/")
		r.indexed()
		r.fail(nil)
		r.has("a")
		time.Sleep(time.Minute)
		r.expectNames("b", "e/")
		r.expectNone()
		r.locked(func() { // has begun
			a.path = "z"
			r.runner.FollowLocked(a.c)
		})
		r.expectNone()
	})
}

// TestNameOfNow: what was renamed without a word to the journal is written where it is.
func TestNameOfNow(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		h := r.delay(Change{Op: Attr, Path: "a", Ver: version("a", 1)})
		r.locked(func() { h.path = "b" })
		time.Sleep(gather)
		synctest.Wait()
		r.expectTries("attr b")
	})
}
