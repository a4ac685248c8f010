package tree

import (
	"testing"
	"testing/synctest"
	"time"

	"mcfs/sidecar"
	"mcfs/volume/remote"
)

var (
	one    = remote.Marker{ETag: "e", Modified: at(10)}
	two    = remote.Marker{ETag: "e", Modified: at(20)}
	none   = remote.Marker{}
	stated = sidecar.Attr{Mode: modeDir | 0o750, UID: 7, Mtime: at(5)}
)

// fresh are attributes of which nothing is known.
func fresh() *Attributes {
	a := NewAttributes(sidecar.Attr{Mode: modeDir | 0o755, Mtime: at(0)})
	return &a
}

// TestShown: what is shown is what is known last; and of what is not known, nothing to others.
func TestShown(t *testing.T) {
	for _, c := range []struct {
		name             string
		done             func(a *Attributes)
		mode             uint32
		described, known bool
	}{
		{"unknown", func(*Attributes) {}, 0o700, false, false},
		{"a marker", func(a *Attributes) { a.Take(one, stated, at(30)) }, 0o750, true, true},
		{"no marker", func(a *Attributes) { a.Take(none, sidecar.Attr{}, at(30)) }, 0o755, true, true},
		{"a marker of another tool", func(a *Attributes) { a.Take(one, sidecar.Attr{}, at(30)) }, 0o755, true, true},
		{"listed without a marker", func(a *Attributes) { a.NoteListed(none) }, 0o755, true, true},
		{"listed with a marker", func(a *Attributes) { a.NoteListed(one) }, 0o700, false, false},
		{"listed with the marker that was read", func(a *Attributes) { a.Take(one, stated, at(30)); a.NoteListed(one) }, 0o750, true, true},
		{"listed with another", func(a *Attributes) { a.Take(one, stated, at(30)); a.NoteListed(two) }, 0o750, false, true},
		{"set here", func(a *Attributes) { a.State(stated) }, 0o750, true, true},
		{"moved here", func(a *Attributes) { a.StateMoved(stated) }, 0o750, true, true},
		{"moved here, and known better", func(a *Attributes) { a.State(sidecar.Attr{Mode: modeDir | 0o711}); a.StateMoved(stated) }, 0o711, true, true},
		{"put here, and listed with it", func(a *Attributes) {
			a.State(stated)
			a.NotePut(remote.Marker{ETag: "e"}, stated.Mtime)
			a.NoteListed(one)
		}, 0o750, true, true},
	} {
		a := fresh()
		c.done(a)
		attr, _, _ := a.Shown()
		if attr.Mode&0o777 != c.mode || a.IsDescribed() != c.described || a.IsKnown() != c.known {
			t.Errorf("%s: mode %o, described %t, known %t; want %o, %t, %t", c.name,
				attr.Mode&0o777, a.IsDescribed(), a.IsKnown(), c.mode, c.described, c.known)
		}
	}
}

// TestTimes: what happens here moves a directory's times, and what a marker states moves its mtime
// only if that is news.
func TestTimes(t *testing.T) {
	changed := stated
	changed.Mtime = at(40)
	for _, c := range []struct {
		name                string
		done                func(a *Attributes)
		mtime, atime, ctime int
	}{
		{"nothing", func(*Attributes) {}, 0, 0, 0},
		{"a marker", func(a *Attributes) { a.Take(one, stated, at(30)) }, 5, 5, 5},
		{"a marker of another tool", func(a *Attributes) { a.Take(one, sidecar.Attr{}, at(30)) }, 10, 10, 10},
		{"an entry", func(a *Attributes) { a.Touch(at(30)) }, 30, 0, 30},
		{"an entry, and then the first marker", func(a *Attributes) { a.Touch(at(30)); a.Take(one, stated, at(35)) }, 30, 0, 30},
		{"a marker, and then an entry", func(a *Attributes) { a.Take(one, stated, at(25)); a.Touch(at(30)) }, 30, 5, 30},
		{"the same marker again", func(a *Attributes) {
			a.Take(one, stated, at(25))
			a.Touch(at(30))
			a.Take(one, stated, at(35))
		}, 30, 5, 30},
		{"a newer marker", func(a *Attributes) {
			a.Take(one, stated, at(25))
			a.Touch(at(30))
			a.Take(two, changed, at(45))
		}, 40, 5, 45},
		{"its own marker", func(a *Attributes) {
			a.Touch(at(30))
			a.NotePut(one, at(30))
			a.Take(one, sidecar.Attr{Mode: modeDir | 0o755, Mtime: at(30)}, at(35))
		}, 30, 0, 30},
		{"another's marker after its own", func(a *Attributes) {
			a.Touch(at(30))
			a.NotePut(one, at(30))
			a.Take(two, changed, at(45))
		}, 40, 0, 30},
		{"moved here, and then its old marker", func(a *Attributes) { a.StateMoved(changed); a.Take(one, stated, at(45)) }, 40, 40, 40},
		{"mtime set", func(a *Attributes) { a.Change(changed, at(45)) }, 40, 0, 45},
		{"mode set", func(a *Attributes) { a.Change(sidecar.Attr{Mode: modeDir, Mtime: at(0)}, at(45)) }, 0, 0, 45},
		{"atime set", func(a *Attributes) { a.SetAtime(at(3), at(45)); a.Touch(at(50)) }, 50, 3, 50},
		{"renamed", func(a *Attributes) { a.SetCtime(at(45)) }, 0, 0, 45},
	} {
		a := fresh()
		c.done(a)
		attr, atime, ctime := a.Shown()
		if !attr.Mtime.Equal(at(c.mtime)) || !atime.Equal(at(c.atime)) || !ctime.Equal(at(c.ctime)) {
			t.Errorf("%s: mtime %d, atime %d, ctime %d; want %d, %d, %d", c.name,
				attr.Mtime.Unix()-at(0).Unix(), atime.Unix()-at(0).Unix(), ctime.Unix()-at(0).Unix(), c.mtime, c.atime, c.ctime)
		}
	}
}

// TestRetry: a marker that could not be read is not asked for again before its time.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := fresh()
		expect := func(when string, want bool) {
			t.Helper()
			if a.CanShow() != want {
				t.Errorf("%s: %t", when, !want)
			}
		}
		expect("unknown", false)
		a.RetryAt(time.Now().Add(time.Second))
		expect("just asked", true)
		time.Sleep(time.Second)
		expect("a second later", false)
		a.RetryAt(time.Now().Add(time.Second))
		a.RetryAt(time.Time{})
		expect("at once", false)
		a.Take(one, stated, time.Now())
		expect("read", true)
	})
}

// TestHasMarker: a marker is known by a listing, a look or a put.
func TestHasMarker(t *testing.T) {
	for name, c := range map[string]struct {
		done func(a *Attributes)
		want bool
	}{
		"unknown":                  {func(*Attributes) {}, false},
		"listed":                   {func(a *Attributes) { a.NoteListed(one) }, true},
		"read":                     {func(a *Attributes) { a.Take(one, stated, at(0)) }, true},
		"put":                      {func(a *Attributes) { a.NotePut(one, at(0)) }, true},
		"read, and listed no more": {func(a *Attributes) { a.Take(one, stated, at(0)); a.NoteListed(none) }, false},
	} {
		a := fresh()
		c.done(a)
		if a.HasMarker() != c.want {
			t.Errorf("%s: %t", name, !c.want)
		}
	}
}
