package volume

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"mcfs/crypt"
)

// fetched writes a file as aria2 does, with a control file beside it, and closes it.
func (r *rig) fetched(name string, p []byte) {
	r.t.Helper()
	r.fetchedAfter(name, p, func() {})
}

// fetchedAfter is fetched, whose close comes after something else.
func (r *rig) fetchedAfter(name string, p []byte, wait func()) {
	r.t.Helper()
	h := r.create(name, os.O_TRUNC)
	for off := 0; off < len(p); off += 64 << 10 {
		r.write(h, p[off:min(len(p), off+64<<10)], int64(off))
	}
	r.noted(name)
	wait()
	if err := h.Flush(r.t.Context(), nil); err != nil {
		r.t.Error(err)
	}
	h.Release()
}

// noted writes its control file.
func (r *rig) noted(name string) {
	r.t.Helper()
	r.put(name+".aria2__temp", []byte("pieces"))
	r.mustRename(name+".aria2__temp", name+".aria2", 0)
}

// awaits checks that a file is in the spool, safe, and named with the reason.
func (r *rig) awaits(name string) {
	r.t.Helper()
	d := r.draft(r.v.Status(), name)
	if d.State != "interrupted" || !d.Safe || d.Failure == nil || !strings.Contains(d.Failure.Cause, "control file") {
		r.t.Errorf("status: %+v, %+v", d, d.Failure)
	}
}

// TestUnfinishedIsNotPublished: what is closed while its control file stands beside it stays
// in the spool, until that is removed.
func TestUnfinishedIsNotPublished(t *testing.T) {
	r := newRig(t, crypt.CTR)
	p := random(100_000)
	r.fetched("film.mp4", p)
	r.awaits("film.mp4")
	r.sync()
	r.expectObjects()
	r.remove("film.mp4.aria2")
	r.sync()
	r.expectObjects("film.mp4", "film.mp4.settings.json")
	r.truthful()
	r.cold()
	if !bytes.Equal(r.load("film.mp4"), p) {
		t.Error("content differs")
	}
}

// TestUnfinishedThatLeavesEarly: parts that have left by then are not sent twice, nor left
// behind in the store when the mount ends.
func TestUnfinishedThatLeavesEarly(t *testing.T) {
	for _, ends := range []string{"finished", "unmounted"} {
		t.Run(ends, func(t *testing.T) {
			r := newRigOf(t, crypt.CTR, lightPart)
			r.close()
			b := &beginnings{Store: r.store}
			r.o.Store = b
			r.open("spool-noted")
			p := random(2_562_500)
			r.fetchedAfter("film.mp4", p, func() {
				until(t, "parts leave", func() bool { _, parts := b.seen(); return parts >= 3 })
			})
			r.awaits("film.mp4")
			r.expectObjects()
			want := []string{}
			if ends == "finished" {
				r.remove("film.mp4.aria2")
				want = append(want, "film.mp4", "film.mp4.settings.json")
			}
			r.sync()
			r.close()
			r.expectObjects(want...)
			if begun, _ := b.seen(); len(begun) != 1 {
				t.Errorf("%d uploads", len(begun))
			}
			if left, err := r.store.Uploads(t.Context(), ""); err != nil || len(left) > 0 {
				t.Errorf("uploads left: %v, %v", left, err)
			}
			r.open("spool-noted")
			if got := r.load("film.mp4"); !bytes.Equal(got, p) {
				t.Errorf("%d bytes, not %d, or others", len(got), len(p))
			}
			r.truthful()
		})
	}
}

// TestUnfinishedIsDecided: each of these has what is there committed, and nothing else.
func TestUnfinishedIsDecided(t *testing.T) {
	whole := random(70_000)
	for name, decide := range map[string]func(r *rig){
		"saved by another program": func(r *rig) { r.save("film.mp4", whole) },
		"synced by hand": func(r *rig) {
			if err := r.v.Sync(r.t.Context(), "film.mp4"); err != nil {
				r.t.Error(err)
			}
		},
		"gone on with, and finished": func(r *rig) {
			h := r.create("film.mp4", 0)
			r.write(h, whole, 0)
			r.noted("film.mp4")
			r.finish(h)
			r.awaits("film.mp4")
			r.remove("film.mp4.aria2")
		},
		"gone on with, and finished soon": func(r *rig) {
			h := r.create("film.mp4", 0)
			r.write(h, whole, 0)
			r.finish(h)
		},
		"found to be whole": func(r *rig) {
			h := r.create("film.mp4", 0)
			r.finish(h)
			r.sync()
			r.expectObjects()
			r.remove("film.mp4.aria2")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, crypt.CTR)
			r.fetched("film.mp4", whole[:30_000])
			decide(r)
			r.sync()
			r.expectObjects("film.mp4", "film.mp4.settings.json")
			if got := r.load("film.mp4"); !bytes.Equal(got, whole[:len(got)]) {
				t.Error("content differs")
			}
			r.truthful()
		})
	}
}

// TestUnfinishedStays: none of these says that the file is whole.
func TestUnfinishedStays(t *testing.T) {
	for name, happens := range map[string]func(r *rig){
		"its control file gets another name": func(r *rig) { r.mustRename("film.mp4.aria2", "note", 0) },
		"its control file is written again":  func(r *rig) { r.noted("film.mp4") },
		"both are removed": func(r *rig) {
			r.fetched("other.mp4", random(1000))
			r.remove("other.mp4")
			r.remove("other.mp4.aria2")
		},
		"it is renamed": func(r *rig) {
			r.mustRename("film.mp4", "half.mp4", 0)
			r.remove("film.mp4.aria2")
			r.mustRename("half.mp4", "film.mp4", 0)
		},
		"who goes on with it is killed": func(r *rig) {
			h := r.create("film.mp4", 0)
			r.write(h, []byte("more"), 0)
			if err := h.Flush(r.t.Context(), killed{}); err != nil {
				r.t.Error(err)
			}
			h.Release()
			r.remove("film.mp4.aria2")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, crypt.CTR)
			r.fetched("film.mp4", random(30_000))
			happens(r)
			r.sync()
			until(t, "it is safe", func() bool { return r.draft(r.v.Status(), "film.mp4").Safe })
			if d := r.draft(r.v.Status(), "film.mp4"); d.State != "interrupted" {
				t.Errorf("status: %+v", d)
			}
			for _, key := range r.objects() {
				if strings.Contains(key, "mp4") {
					t.Errorf("the store has %s", key)
				}
			}
		})
	}
}

// TestUnfinishedBeforeItBegan: who is ended before a byte has come leaves no empty file in the
// store, and what stood there stays.
func TestUnfinishedBeforeItBegan(t *testing.T) {
	r := newRig(t, crypt.CTR)
	p := random(1000)
	r.save("old.mp4", p)
	for _, name := range []string{"old.mp4", "new.mp4"} {
		h := r.create(name, os.O_TRUNC)
		r.noted(name)
		r.finish(h)
	}
	time.Sleep(2 * releaseDelay)
	r.sync()
	for _, name := range []string{"old.mp4", "new.mp4"} {
		until(t, "it is safe", func() bool { return r.draft(r.v.Status(), name).Safe })
		r.awaits(name)
	}
	r.expectObjects("old.mp4", "old.mp4.settings.json")
	r.remove("new.mp4.aria2")
	r.sync()
	r.expectObjects("new.mp4", "new.mp4.settings.json", "old.mp4", "old.mp4.settings.json")
	h := r.create("old.mp4", 0) // gone on with, and ended at once
	r.noted("old.mp4")
	r.finish(h)
	r.awaits("old.mp4")
	r.remove("old.mp4.aria2")
	r.sync()
	if d := r.v.Status().Drafts; len(d) > 0 {
		t.Errorf("left: %+v", d)
	}
	r.truthful()
}

// TestOldControlFile: one that was there before the file was opened says nothing of what is
// saved now, nor does one whose file nobody has open.
func TestOldControlFile(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.noted("film.mp4")
	r.save("film.mp4", random(1000))
	r.noted("film.mp4")
	r.save("film.mp4", random(2000))
	h := r.create("film.mp4", 0)
	r.noted("film.mp4")
	r.finish(h) // which has written nothing
	p := random(3000)
	r.save("film.mp4", p)
	r.sync()
	r.expectObjects("film.mp4", "film.mp4.settings.json")
	r.cold()
	if !bytes.Equal(r.load("film.mp4"), p) {
		t.Error("the last save was held back")
	}
}

// TestUnfinishedOverARestart: it waits in the next mount, too, until its control file is removed
// there; where that was before, its commit goes on.
func TestUnfinishedOverARestart(t *testing.T) {
	for _, finished := range []bool{false, true} {
		r, f := newFlakyRig(t, crypt.CTR)
		f.set(down)
		r.mkdir("d") // behind which the file waits
		r.fetched("d/film.mp4", random(30_000))
		if finished {
			r.remove("d/film.mp4.aria2")
		}
		r.crash(f, "after")
		f.set(nil)
		r.sync()
		if !finished {
			r.expectObjects("d/")
			r.awaits("d/film.mp4")
			r.remove("d/film.mp4.aria2")
			r.sync()
		}
		r.expectObjects("d/", "d/film.mp4", "d/film.mp4.settings.json")
	}
}

// TestStateOfAxel: so it is with axel's NAME.st, which stays here for good then, over a restart,
// too. What is in it has to tell.
func TestStateOfAxel(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	h := r.create("film.mp4", os.O_TRUNC)
	r.write(h, random(30_000), 0)
	r.save("film.mp4.st", append([]byte{2, 0}, make([]byte, 8+2*16)...))
	r.finish(h)
	r.awaits("film.mp4")
	for _, next := range []string{"after", "later"} {
		r.sync()
		r.expectObjects()
		if d := r.draft(r.v.Status(), "film.mp4.st"); d.State != "local" {
			t.Errorf("its state file: %+v", d)
		}
		r.crash(f, next)
		r.awaits("film.mp4")
	}
	r.remove("film.mp4.st")
	r.sync()
	r.expectObjects("film.mp4", "film.mp4.settings.json")

	h = r.create("plc", os.O_TRUNC)
	r.write(h, random(10_000), 0)
	r.save("plc.st", []byte("PROGRAM plc END_PROGRAM 0123456789 abcdefg"))
	r.finish(h)
	r.save("alone.st", random(100))
	r.sync()
	r.expectObjects("alone.st", "alone.st.settings.json", "film.mp4", "film.mp4.settings.json", "plc", "plc.settings.json", "plc.st", "plc.st.settings.json")
	r.truthful()
}
