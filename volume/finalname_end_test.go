package volume

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/volume/file"
)

// TestToldHasNoDeadline: what can be committed under one name alone waits for that, is
// named by sync, and counts as open until it has it or is removed.
func TestToldHasNoDeadline(t *testing.T) {
	for _, end := range []string{"renamed", "removed"} {
		bubble(t, end, func(t *testing.T) {
			r := newTight(t, crypt.CTR, false)
			r.close()
			r.o.Grace = 50 * time.Millisecond
			r.open("spool-flaky")
			r.temporary("film.mp4.part", "film.mp4", random(longFile))
			r.v.commitTemporary(r.node("film.mp4.part")) // whatever had it asked for
			for _, at := range []string{"", "film.mp4.part"} {
				if err := r.v.Sync(t.Context(), at); !errors.Is(err, errStranded) || !strings.Contains(err.Error(), "renamed to film.mp4") {
					t.Errorf("sync %q gave %v", at, err)
				}
			}
			if w := r.v.Writers(); len(w) != 1 || w[0].Told != "film.mp4" || w[0].Path != "film.mp4.part" {
				t.Errorf("writers: %+v", w)
			}
			r.expectObjects()
			ended := make(chan []Writer)
			go func() { ended <- r.v.AwaitWriters(nil, nil) }()
			if end == "removed" {
				r.remove("film.mp4.part")
			} else {
				r.mustRename("film.mp4.part", "film.mp4", 0)
			}
			if left := <-ended; left != nil {
				t.Errorf("left: %v", left)
			}
			r.sync()
		})
	}
}

// TestKilledWriterOfATold: it is interrupted, no sync publishes it under its temporary
// name, and under the told one a sync by hand does.
func TestKilledWriterOfATold(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	p := random(longFile)
	h := r.makeAs(".film.mp4.A1b2C3")
	if err := r.fill(h, p); err != nil {
		t.Fatal(err)
	}
	h.Node().commit.Interrupt(file.EvKill)
	h.markKilled()
	h.Release()
	r.state(r.node(".film.mp4.A1b2C3"), Interrupted)
	if err := r.v.Sync(t.Context(), ".film.mp4.A1b2C3"); !errors.Is(err, errStranded) {
		t.Errorf("sync gave %v", err)
	}
	r.mustRename(".film.mp4.A1b2C3", "film.mp4", 0)
	r.state(r.node("film.mp4"), Interrupted)
	r.expectObjects()
	if err := r.v.Sync(t.Context(), "film.mp4"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.load("film.mp4"), p) {
		t.Error("not what was written")
	}
}

// TestToldGoesOnAfterAKill: a download that was killed is gone on with under its temporary name.
func TestToldGoesOnAfterAKill(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	p := random(longFile)
	h := r.makeAs("film.mp4.part")
	if err := r.fill(h, p[:longFile-10*tightPart]); err != nil {
		t.Fatal(err)
	}
	h.Node().commit.Interrupt(file.EvKill)
	h.markKilled()
	h.Release()
	h = r.openFile("film.mp4.part", os.O_WRONLY)
	for off := longFile - 10*tightPart; off < longFile; off += tightPart {
		r.write(h, p[off:off+tightPart], int64(off))
	}
	r.finish(h)
	r.expectObjects()
	r.mustRename("film.mp4.part", "film.mp4", 0)
	r.sync()
	if !bytes.Equal(r.load("film.mp4"), p) {
		t.Error("not what was written")
	}
}

// TestToldAfterACrash: what was in an upload alone is lost and said to be, an old version is
// as it was, and the upload does not stay in the store.
func TestToldAfterACrash(t *testing.T) {
	for _, at := range []string{".film.mp4.A1b2C3", "film.mp4"} {
		for over, old := range replacedBy {
			bubble(t, "as "+at+", over "+over, func(t *testing.T) {
				r := newTight(t, crypt.CTR, false)
				if old != nil {
					r.save("film.mp4", old)
				}
				r.temporary(".film.mp4.A1b2C3", "film.mp4", random(longFile))
				if at == "film.mp4" {
					r.f.set(down)
					r.mustRename(".film.mp4.A1b2C3", at, 0)
				}
				r.crash(r.f, "after")
				if old != nil {
					if !bytes.Equal(r.load("film.mp4"), old) {
						t.Error("the old version is not as it was")
					}
				}
				if old == nil || at != "film.mp4" {
					r.state(r.node(at), Lost)
					r.remove(at)
				}
				r.mustBeSetApart()
				until(t, "its upload is aborted", func() bool {
					list, err := r.store.Uploads(t.Context(), "film.mp4")
					return err == nil && len(list) == 0
				})
				r.sync()
			})
		}
	}
}

// TestFsyncOfATold: as of any file of which parts were dropped.
func TestFsyncOfATold(t *testing.T) { synctest.Test(t, fsyncOfATold) }

func fsyncOfATold(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	h := r.makeAs(".film.mp4.A1b2C3")
	if err := r.fill(h, random(longFile)); err != nil {
		t.Fatal(err)
	}
	if err := h.Fsync(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("fsync gave %v, want ErrFull", err)
	}
	h.Release()
	r.remove(".film.mp4.A1b2C3")
}

// TestTwoToldAtOnce: two programs bring files of one name, and others, at the same time.
func TestTwoToldAtOnce(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	names := []string{".film.mp4.A1b2C3", ".film.mp4.D4e5F6", ".other.mp4.G7h8I9"}
	contents := [][]byte{random(longFile), random(longFile + 5), random(longFile + 9)}
	done := make(chan error, len(names))
	for i, name := range names {
		h := r.makeAs(name)
		go func() {
			err := r.fill(h, contents[i])
			done <- errors.Join(err, h.Flush(t.Context(), nil))
			h.Release()
		}()
	}
	for range names {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	r.mustRename(names[0], "film.mp4", 0)
	r.mustRename(names[2], "other.mp4", 0)
	r.mustRename(names[1], "film.mp4", 0)
	r.sync()
	r.truthful()
	if !bytes.Equal(r.load("film.mp4"), contents[1]) || !bytes.Equal(r.load("other.mp4"), contents[2]) {
		t.Error("not what was written")
	}
}

// TestConflictOfATold: another machine saves the told name before the rename is committed: both survive.
func TestConflictOfATold(t *testing.T) { synctest.Test(t, conflictOfATold) }

func conflictOfATold(t *testing.T) {
	for _, old := range []bool{true, false} {
		a, b, between := newPairOf(t, lightPart)
		a.close()
		a.max = 2 << 20
		a.open("spool-small")
		if old {
			a.save("f.bin", []byte("one"))
		}
		long := random(6 << 20) // three times the spool
		h := a.create("f.bin.part", os.O_TRUNC)
		for off := 0; off < len(long); off += 64 << 10 {
			a.write(h, long[off:off+64<<10], int64(off))
		}
		if !file.IsSent(h.Node().whole()) {
			t.Fatal("nothing was dropped: what this test is for was not tried")
		}
		a.finish(h)
		between.once("complete", "f.bin", func() {
			b.save("f.bin", []byte("from b"))
			b.sync()
		})
		a.mustRename("f.bin.part", "f.bin", 0)
		settled(a, b)
		for _, r := range []*rig{a, b} {
			if !bytes.Equal(r.load("f.bin"), long) {
				t.Error("the long file is not what was written")
			}
			if got := string(r.beside("f.bin")); got != "from b" {
				t.Errorf("the conflict reads %q", got)
			}
		}
		b.close()
		a.close()
	}
}
