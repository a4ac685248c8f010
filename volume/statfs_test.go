package volume

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/crypt"
	"mcfs/store"
)

// freeAt is what is told of the room at a path, as it is now.
func (r *rig) freeAt(path string) Statfs {
	r.t.Helper()
	r.v.mu.Lock()
	r.v.room.at = r.v.room.at.Add(-roomKept)
	r.v.mu.Unlock()
	return r.node(path).Statfs()
}

// takes is how many bytes a new file takes, by small writes, until there is no more room.
func (r *tight) takes(name string) (taken int64) {
	r.t.Helper()
	h := r.create(name, os.O_TRUNC)
	r.t.Cleanup(h.Release)
	for p := random(32 << 10); ; taken += int64(len(p)) {
		if _, err := h.WriteAt(r.t.Context(), p, taken); err != nil {
			if !errors.Is(err, ErrFull) {
				r.t.Fatalf("write after %d bytes: %v", taken, err)
			}
			return taken
		}
	}
}

// TestRoomWhileNothingLeaves: when the store takes nothing, df shows what the spool can
// still take, and that much can be written; when it takes something again, it is roomy.
func TestRoomWhileNothingLeaves(t *testing.T) { synctest.Test(t, roomWhileNothingLeaves) }

func roomWhileNothingLeaves(t *testing.T) {
	r := newPatient(t, crypt.CTR, false, 200*time.Millisecond)
	if s := r.freeAt(""); s.Free != roomy || s.Total != roomy {
		t.Errorf("a mount that works has %+v", s)
	}
	r.f.set(func(op, key string) error { return store.ErrUnavailable })
	h := r.create("a", os.O_TRUNC)
	r.write(h, random(tightSpool/2), 0)
	until(t, "the upload stumbles", r.v.uploads.Stuck)
	s := r.freeAt("")
	if s.Total != tightSpool || s.Free < tightSpool/4 || s.Free > tightSpool/2 {
		t.Fatalf("with half of the spool's %d bytes taken there are %+v", tightSpool, s)
	}
	const whole = 64 << 10 // the last block, and maps
	if took := r.takes("b"); took < s.Free-whole || took > s.Free+whole {
		t.Errorf("%d bytes were written, where %d were said to be free", took, s.Free)
	}
	if s := r.freeAt("b"); s.Free > whole {
		t.Errorf("a full spool has %+v", s)
	}
	r.f.set(nil)
	if err := h.Flush(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	h.Release()
	until(t, "the store takes something again, and the spool has room", func() bool {
		return r.freeAt("").Free == roomy
	})
}

// TestRoomAfterTrouble: an upload that is in trouble and given up is no sign of anything.
func TestRoomAfterTrouble(t *testing.T) {
	r := newPatient(t, crypt.CTR, false, 200*time.Millisecond)
	r.f.set(func(op, key string) error { return store.ErrUnavailable })
	h := r.create("a", os.O_TRUNC)
	r.write(h, random(tightSpool/2), 0)
	until(t, "the upload stumbles", r.v.uploads.Stuck)
	r.f.set(nil)
	h.Release()
	if err := r.v.Root().Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	until(t, "nothing waits any more", func() bool { return r.freeAt("").Free == roomy })
}

// TestRoomOfWhatStays: what does not leave before its close has the spool's room.
func TestRoomOfWhatStays(t *testing.T) { synctest.Test(t, roomOfWhatStays) }

func roomOfWhatStays(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	local := r.create(".#local", os.O_TRUNC)
	defer local.Release()
	r.mkdir(".Trash-0")
	patched := r.begin("patched", random(tightSpool/2))
	defer patched.Release()
	for path, stays := range map[string]bool{"": false, ".#local": true, ".Trash-0": true, "patched": false} {
		if s := r.freeAt(path); (s.Free <= tightSpool) != stays || (s.Total <= tightSpool) != stays {
			t.Errorf("%q has %+v", path, s)
		}
	}
	r.write(patched, []byte("a part that has left"), 3*tightPart)
	if s := r.freeAt("patched"); s.Free > tightSpool {
		t.Errorf("a file that sends nothing any more has %+v", s)
	}
	if s := r.freeAt(""); s.Free != roomy {
		t.Errorf("others have %+v", s)
	}
}

// TestRoomOfAFullSpool: where no file could grow so long that parts of it leave, there is what the
// spool can still take, though the store takes everything.
func TestRoomOfAFullSpool(t *testing.T) { synctest.Test(t, roomOfAFullSpool) }

func roomOfAFullSpool(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	local := r.create(".#local", os.O_TRUNC)
	r.write(local, random(tightSpool-4*tightPart), 0)
	if s := r.freeAt(""); s.Total != tightSpool || s.Free > 4*tightPart || s.Free == 0 {
		t.Errorf("with all but %d bytes of the spool taken there are %+v", 4*tightPart, s)
	}
	local.Release()
	r.remove(".#local")
	until(t, "there is room again", func() bool { return r.freeAt("").Free == roomy })
}

// TestRoomOfADirectory: a dir store has what its disk has.
func TestRoomOfADirectory(t *testing.T) {
	r := newRig(t, crypt.CTR)
	s := r.freeAt("")
	var disk unix.Statfs_t
	if err := unix.Statfs(filepath.Join(r.home, "store"), &disk); err != nil {
		t.Fatal(err)
	}
	total, free := int64(disk.Blocks)*int64(disk.Bsize), int64(disk.Bavail)*int64(disk.Bsize)
	if s.Total != total || s.Free < free/2 || s.Free > free+free/2 {
		t.Errorf("%+v; the disk has %d of %d", s, free, total)
	}
}
