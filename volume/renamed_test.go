package volume

import (
	"testing"

	"mcfs/crypt"
)

// TestRenameMovesChangeTime: what gets another name has a later ctime, its mtime stays, and
// so do both times of what is in it.
func TestRenameMovesChangeTime(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.mkdir("d")
	r.mkdir("e")
	r.save("f", []byte("f"))
	r.save("g", []byte("g"))
	r.save("d/in", []byte("in"))
	r.symlink("l", "target")
	draft := r.create("open", 0)
	r.write(draft, []byte("open"), 0)
	for _, step := range []struct {
		from, to string
		flags    RenameFlags
	}{
		{"f", "f2", 0}, {"f2", "g", 0}, {"l", "l2", 0}, {"d", "d2", 0}, {"d2", "e", Exchange}, {"open", "open2", 0}, {"open2", "g", Exchange},
	} {
		before := r.dirStat(step.from)
		r.mustRename(step.from, step.to, step.flags)
		now := r.dirStat(step.to)
		if !now.Ctime.After(before.Ctime) || now.Mtime != before.Mtime || now.Atime != before.Atime || now.Ino != before.Ino {
			t.Errorf("%s to %s: %+v has become %+v", step.from, step.to, before, now)
		}
		r.compare("")
		if later := r.dirStat(step.to); later != now {
			t.Errorf("%s: the store took %+v back to %+v", step.to, now, later)
		}
	}
	in := r.dirStat("e/in")
	r.mustRename("e", "e2", 0)
	if now := r.dirStat("e2/in"); now != in {
		t.Errorf("what is in a renamed directory has %+v, and had %+v", now, in)
	}
	r.finish(draft)
}
