package volume

import (
	"sync/atomic"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

// dirStat stats a directory, in a form that compares.
func (r *rig) dirStat(name string) Attr {
	r.t.Helper()
	a, err := r.node(name).Attr(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, at := range []*time.Time{&a.Mtime, &a.Atime, &a.Ctime} {
		*at = at.Round(0).UTC()
	}
	return a
}

// compare has what is known of a directory compared with the store, as is done by itself a
// few seconds after its marker was put, and after each listing that shows another one.
func (r *rig) compare(name string) {
	r.t.Helper()
	r.sync()
	n := r.node(name)
	if err := n.readMarker(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	if err := r.v.refresh(r.t.Context(), n, ""); err != nil {
		r.t.Fatal(err)
	}
	if err := n.describeDir(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// TestDirectoryTimesDoNotGoBack: what comes into a directory and leaves it moves its time on,
// and its marker, which does not know of it, takes nothing back.
func TestDirectoryTimesDoNotGoBack(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.mkdir("d")
	r.mkdir("e")
	r.compare("d")
	last := r.dirStat("d")
	for _, step := range []struct {
		what string
		do   func()
	}{
		{"create", func() { r.save("d/a", []byte("a")) }},
		{"mkdir", func() { r.mkdir("d/sub") }},
		{"symlink", func() {
			r.symlink("d/l", "target")
		}},
		{"link", func() {
			h := r.nameless([]byte("n"))
			if err := r.node("d").Link(t.Context(), h.Node(), "n"); err != nil {
				t.Fatal(err)
			}
			r.finish(h)
		}},
		{"rename", func() { r.mustRename("d/a", "d/b", 0) }},
		{"rename away", func() { r.mustRename("d/b", "e/b", 0) }},
		{"rename here", func() { r.mustRename("e/b", "d/b", 0) }},
		{"rename of a directory", func() { r.mustRename("d/sub", "d/sub2", 0) }},
		{"exchange", func() { r.mustRename("d/sub2", "d/b", Exchange) }},
		{"unlink", func() { r.remove("d/sub2") }},
		{"rmdir", func() {
			if err := r.node("d").Rmdir(t.Context(), "b"); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		step.do()
		now := r.dirStat("d")
		if !now.Mtime.After(last.Mtime) || now.Ctime.Before(now.Mtime) {
			t.Errorf("%s: mtime is %v after %v, ctime %v", step.what, now.Mtime, last.Mtime, now.Ctime)
		}
		r.compare("d")
		if later := r.dirStat("d"); later != now {
			t.Errorf("%s: the store took %+v back to %+v", step.what, now, later)
		}
		last = now
	}
}

// TestDirectoryTimesAfterItsMarker: what comes into a directory that nobody has looked at yet, or
// once its marker was put again, moves its time on, whatever the marker says.
func TestDirectoryTimesAfterItsMarker(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.mkdir("d")
	r.sync()
	r.cold()
	before := time.Now()
	r.save("d/a", []byte("a"))
	r.compare("d")
	if now := r.dirStat("d"); now.Mtime.Before(before) {
		t.Errorf("before it was looked at: the store took mtime back to %v", now.Mtime)
	}
	r.chmod("d", 0o700)
	r.sync()
	before = time.Now()
	r.save("d/b", []byte("b"))
	r.compare("d")
	if now := r.dirStat("d"); now.Mtime.Before(before) {
		t.Errorf("after its marker was put again: the store took mtime back to %v", now.Mtime)
	}
}

// TestDirectoryTimesAreSet: a time that is set stays, into the past and the future, until
// something comes or goes.
func TestDirectoryTimesAreSet(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.mkdir("d")
	for _, year := range []int{1999, 2199} {
		set := time.Date(year, 1, 2, 3, 4, 5, 6, time.UTC)
		if _, err := r.node("d").SetAttr(t.Context(), nil, SetAttr{Mtime: &set}); err != nil {
			t.Fatal(err)
		}
		r.compare("d")
		if now := r.dirStat("d"); now.Mtime != set {
			t.Errorf("mtime %v, and %v was set", now.Mtime, set)
		}
		before := time.Now()
		r.save("d/"+set.Format("2006"), []byte("a"))
		r.compare("d")
		if now := r.dirStat("d"); now.Mtime.Before(before) || now.Mtime.After(time.Now()) {
			t.Errorf("after an entry was made mtime is %v", now.Mtime)
		}
	}
}

// TestDirectoryTimesFromElsewhere: what another machine states of a directory, and what it
// puts there, is shown as news.
func TestDirectoryTimesFromElsewhere(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.mkdir("d")
	r.save("d/a", []byte("a"))
	r.compare("d")
	known := r.dirStat("d")
	if _, err := r.store.Put(t.Context(), "d/b", bodyOf([]byte("foreign")), store.Attributes{}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	r.compare("d")
	if now := r.dirStat("d"); !now.Mtime.After(known.Mtime) {
		t.Errorf("something came from elsewhere, and mtime is %v as before", now.Mtime)
	}
	known = r.dirStat("d")
	meta := map[string]string{"mode": "16877", "mtime": "1000000000", "uid": "1", "gid": "2"}
	if _, err := r.store.Put(t.Context(), "d/", bodyOf(nil), store.Attributes{Metadata: meta}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	r.compare("d")
	if now := r.dirStat("d"); now.Mtime.Unix() != 1_000_000_000 || !now.Ctime.After(known.Ctime) {
		t.Errorf("elsewhere mtime was set, and it is %v; ctime %v", now.Mtime, now.Ctime)
	}
}

// TestChangeTimeOfADirectory: each change of its attributes moves a directory's ctime, whatever
// it sets mtime to, and what the marker states then takes nothing back.
func TestChangeTimeOfADirectory(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.mkdir("d")
	set := func(s SetAttr) func(*Node) error {
		return func(d *Node) error { _, err := d.SetAttr(t.Context(), nil, s); return err }
	}
	mode, uid, gid, past := uint32(0o700), uint32(3), uint32(4), time.Unix(1_000_000_000, 7).UTC()
	for _, step := range []struct {
		what   string
		change func(*Node) error
	}{
		{"chmod", set(SetAttr{Mode: &mode})},
		{"chmod to the same", set(SetAttr{Mode: &mode})},
		{"chown", set(SetAttr{UID: &uid, GID: &gid})},
		{"utimens", set(SetAttr{Mtime: &past, Atime: &past})},
		{"utimens of atime", set(SetAttr{Atime: &past})},
		{"setxattr", func(d *Node) error { return d.SetXattr(t.Context(), "user.a", []byte("1"), false, false) }},
		{"removexattr", func(d *Node) error { return d.RemoveXattr(t.Context(), "user.a") }},
	} {
		before := r.dirStat("d")
		if err := step.change(r.node("d")); err != nil {
			t.Fatal(err)
		}
		now := r.dirStat("d")
		if !now.Ctime.After(before.Ctime) {
			t.Errorf("%s: ctime is %v still", step.what, now.Ctime)
		}
		if step.what != "utimens" && now.Mtime != before.Mtime {
			t.Errorf("%s: mtime has become %v", step.what, now.Mtime)
		}
		r.compare("d")
		if later := r.dirStat("d"); later != now {
			t.Errorf("%s: the store took %+v back to %+v", step.what, now, later)
		}
	}
}

// TestAccessTimeOfADirectory: it can be set, with mtime and alone, and then stays, whatever
// mtime does. Alone it costs no request.
func TestAccessTimeOfADirectory(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.compare("d")
	atime, mtime := time.Unix(1_900_000_000, 5).UTC(), time.Unix(1_950_000_000, 6).UTC()
	if _, err := r.node("d").SetAttr(t.Context(), nil, SetAttr{Atime: &atime, Mtime: &mtime}); err != nil {
		t.Fatal(err)
	}
	r.compare("d")
	if now := r.dirStat("d"); now.Atime != atime || now.Mtime != mtime {
		t.Errorf("atime %v, mtime %v", now.Atime, now.Mtime)
	}
	r.save("d/a", []byte("a"))
	r.compare("d")
	if now := r.dirStat("d"); now.Atime != atime || now.Mtime == mtime {
		t.Errorf("after an entry was made atime is %v, mtime %v", now.Atime, now.Mtime)
	}
	var puts atomic.Int32
	f.set(func(op, _ string) error {
		if op == "put" {
			puts.Add(1)
		}
		return nil
	})
	atime = atime.Add(time.Hour)
	if a, err := r.node("d").SetAttr(t.Context(), nil, SetAttr{Atime: &atime}); err != nil || !a.Atime.Equal(atime) {
		t.Errorf("atime %v, %v", a.Atime, err)
	}
	if r.sync(); puts.Load() != 0 {
		t.Errorf("%d requests for atime alone", puts.Load())
	}
}

// TestDirectoryTimesOverACrash: a directory that is on its way when the machine fails shows
// the time that it had, also once its marker has arrived.
func TestDirectoryTimesOverACrash(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.compare("d")
	r.save("d/a", []byte("a"))
	last := r.dirStat("d")
	f.set(func(op, _ string) error {
		if op == "copy" || op == "copypart" {
			return errDown
		}
		return nil
	})
	r.mustRename("d", "e", 0)
	r.crash(f, "after")
	if now := r.dirStat("e"); now.Mtime != last.Mtime {
		t.Errorf("after the crash mtime is %v, and was %v", now.Mtime, last.Mtime)
	}
	f.set(nil)
	r.compare("e")
	if now := r.dirStat("e"); now.Mtime != last.Mtime {
		t.Errorf("when it has arrived mtime is %v, and was %v", now.Mtime, last.Mtime)
	}
}
