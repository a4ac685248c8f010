package volume

import (
	"bytes"
	"errors"
	"os"
	"path"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/volume/commit"
	"mcfs/volume/file"
)

// keysBegun are the keys of all uploads that the store was asked to begin.
func (b *beginnings) keysBegun() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.keys)
}

// makeAs makes a file as the program does whose name for it that is.
func (r *tight) makeAs(name string) *Handle {
	r.t.Helper()
	d, base := path.Split(name)
	_, h, err := r.node(d).Create(r.t.Context(), base, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600, 1, 2, nil)
	if err != nil {
		r.t.Fatalf("create %s: %v", name, err)
	}
	return h
}

// temporary makes a file larger than the spool under a temporary name, which tells told, and closes it.
func (r *tight) temporary(name, told string, p []byte) {
	r.t.Helper()
	h := r.makeAs(name)
	if err := r.fill(h, p); err != nil {
		r.t.Fatalf("write %s: %v", name, err)
	}
	if !file.IsSent(h.Node().whole()) {
		r.t.Fatal("nothing was dropped: what this test is for was not tried")
	}
	r.finish(h)
	if d := r.draft(r.v.Status(), name); d.Told != told || d.Safe || !d.Dropped || !d.Claims.IsZero() {
		r.t.Errorf("status: %+v", d)
	}
}

// replacedBy is what a told name had before.
var replacedBy = map[string][]byte{"nothing": nil, "an old version": bytes.Repeat([]byte("OLD."), 100_000)}

// TestLargerThanTheSpoolUnderATemporaryName: parts leave for the name that the temporary
// one tells; the rename to it has the file committed, in one upload, and nothing before.
func TestLargerThanTheSpoolUnderATemporaryName(t *testing.T) {
	for _, mode := range modes {
		for over, old := range replacedBy {
			for _, name := range []string{".film.mp4.A1b2C3", "film.mp4.part", "film.mp4.crdownload"} {
				bubble(t, mode.String()+", over "+over+", "+name, func(t *testing.T) {
					r := newTight(t, mode, false)
					if old != nil {
						r.save("film.mp4", old)
					}
					before, begun := r.objects(), len(r.parts.keysBegun())
					p := random(longFile)
					r.temporary(name, "film.mp4", p)
					if got := r.objects(); !slices.Equal(got, before) {
						t.Errorf("before the rename the store holds %q", got)
					}
					r.mustRename(name, "film.mp4", 0)
					if !bytes.Equal(r.load("film.mp4"), p) { // which waits for the commit
						t.Error("not what was written, at once")
					}
					r.sync()
					r.expectObjects("film.mp4", "film.mp4.settings.json")
					r.truthful()
					if got := r.parts.keysBegun()[begun:]; !slices.Equal(got, []string{"film.mp4"}) {
						t.Errorf("uploads were begun to %q", got)
					}
					r.cold()
					if !bytes.Equal(r.load("film.mp4"), p) {
						t.Error("not what was written")
					}
				})
			}
		}
	}
}

// TestReadBeforeTheRelease: a read right after the rename waits for the commit, also where the
// kernel has not told yet that the writer's descriptor is gone, and nothing has asked for it.
func TestReadBeforeTheRelease(t *testing.T) { synctest.Test(t, readBeforeTheRelease) }

func readBeforeTheRelease(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	p := random(longFile)
	h := r.makeAs(".film.mp4.A1b2C3")
	if err := r.fill(h, p); err != nil {
		t.Fatal(err)
	}
	if err := h.Flush(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	r.mustRename(".film.mp4.A1b2C3", "film.mp4", 0)
	time.AfterFunc(time.Second, h.Release)
	if !bytes.Equal(r.load("film.mp4"), p) {
		t.Error("not what was written")
	}
}

// TestToldInSmallParts: parts of one block, in a spool of the least size.
func TestToldInSmallParts(t *testing.T) {
	for _, mode := range modes {
		r := newSmallRig(t, mode)
		b := &beginnings{Store: r.store}
		f := &flaky{Store: b}
		r.o.Store, r.o.PartSize, r.max = f, crypt.BlockSize, 1<<20
		r.o.CloseTimeout = 2 * time.Second
		r.open("spool-flaky")
		s := &tight{r, f, b}
		p := random(3<<20 + 77)
		s.temporary(".film.mp4.A1b2C3", "film.mp4", p)
		s.mustRename(".film.mp4.A1b2C3", "film.mp4", 0)
		s.sync()
		if !bytes.Equal(s.load("film.mp4"), p) {
			t.Errorf("%v: not what was written", mode)
		}
	}
}

// TestToldRenamedWhileOpen: as GLib does. The writer goes on, and its close commits.
func TestToldRenamedWhileOpen(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	p := random(longFile)
	h := r.makeAs("film.mp4.X2Y4Z6")
	if err := r.fill(h, p[:longFile/2]); err != nil {
		t.Fatal(err)
	}
	r.mustRename("film.mp4.X2Y4Z6", "film.mp4", 0)
	for off := longFile / 2; off < longFile; off += tightPart {
		r.write(h, p[off:off+tightPart], int64(off))
	}
	r.finish(h)
	r.expectObjects("film.mp4", "film.mp4.settings.json")
	if !bytes.Equal(r.load("film.mp4"), p) {
		t.Error("not what was written")
	}
}

// TestToldRenamedElsewhere: no other name will do for what an upload alone has; the
// refused rename changes nothing, and the told one still goes.
func TestToldRenamedElsewhere(t *testing.T) {
	for _, w := range []way{
		{"another name", func(r *tight, _ *Handle) error { return r.rename("d/film.mp4.part", "d/other.mp4", 0) }, ""},
		{"over another file", func(r *tight, _ *Handle) error { return r.rename("d/film.mp4.part", "d/old", 0) }, ""},
		{"another temporary name", func(r *tight, _ *Handle) error { return r.rename("d/film.mp4.part", "d/other.mp4.part", 0) }, ""},
		{"another directory", func(r *tight, _ *Handle) error { return r.rename("d/film.mp4.part", "f/film.mp4", 0) }, ""},
		{"exchange", func(r *tight, _ *Handle) error { return r.rename("d/film.mp4.part", "d/old", Exchange) }, ""},
		{"exchange with what is told", func(r *tight, _ *Handle) error { return r.rename("d/film.mp4.part", "d/film.mp4", Exchange) }, ""},
		{"the directory above", func(r *tight, _ *Handle) error { return r.rename("d", "e", 0) }, ""},
	} {
		t.Run(w.name, func(t *testing.T) {
			r := newTight(t, crypt.CTR, false)
			r.ready()
			r.save("d/film.mp4", []byte("old film"))
			p := random(longFile)
			r.temporary("d/film.mp4.part", "d/film.mp4", p)
			if err := w.do(r, nil); !errors.Is(err, ErrBusy) {
				t.Errorf("gave %v, want ErrBusy", err)
			}
			if got := string(r.load("d/old")); got != "old" {
				t.Errorf("the other file reads %q", got)
			}
			r.mustRename("d/film.mp4.part", "d/film.mp4", 0)
			r.sync()
			if !bytes.Equal(r.load("d/film.mp4"), p) {
				t.Error("not what was written")
			}
		})
	}
}

// TestToldStartsOver: what the spool has all of is renamed as one likes, and its upload
// starts over under the new name, and nothing of the old one stays.
func TestToldStartsOver(t *testing.T) {
	for _, w := range []way{
		{"another name", func(r *tight, _ *Handle) error { return r.rename("d/film.mp4.part", "d/other.mp4", 0) }, "d/other.mp4"},
		{"a directory above", func(r *tight, _ *Handle) error {
			return errors.Join(r.rename("d", "e", 0), r.rename("e/film.mp4.part", "e/film.mp4", 0))
		}, "e/film.mp4"},
		{"its own name", func(r *tight, _ *Handle) error { return r.v.Sync(r.t.Context(), "d/film.mp4.part") }, "d/film.mp4.part"},
		{"the told name", func(r *tight, _ *Handle) error { return r.rename("d/film.mp4.part", "d/film.mp4", 0) }, "d/film.mp4"},
	} {
		bubble(t, w.name, func(t *testing.T) {
			r := newTight(t, crypt.CTR, false)
			r.mkdir("d")
			p := random(shortFile / 2)
			h := r.makeAs("d/film.mp4.part")
			if err := r.fill(h, p); err != nil {
				t.Fatal(err)
			}
			r.v.startEarlyUploads() // as a write into a full spool does
			until(t, "parts leave", func() bool { _, n := r.parts.seen(); return n > 0 })
			r.finish(h)
			if err := w.do(r, h); err != nil {
				t.Fatal(err)
			}
			r.pressure()
			r.node("other").commit.Ask(commit.Itself)
			r.sync()
			if !bytes.Equal(r.load(w.at), p) {
				t.Error("not what was written")
			}
			until(t, "no upload is left", func() bool {
				list, err := r.store.Uploads(t.Context(), "d/film.mp4")
				return err == nil && len(list) == 0
			})
		})
	}
}

// TestToldOverAPromise: what a close has promised is not given up for what a crash would
// lose, and can be replaced once it has left.
func TestToldOverAPromise(t *testing.T) { synctest.Test(t, toldOverAPromise) }

func toldOverAPromise(t *testing.T) {
	r := newTight(t, crypt.CTR, true)
	r.f.set(func(_, key string) error {
		if key == "film.mp4" {
			return errDown
		}
		return nil
	})
	promised := []byte("promised by the spool")
	r.save("film.mp4", promised)
	r.f.set(func(op, key string) error {
		if op == "put" && key == "film.mp4" {
			return errDown // which the upload of parts does not meet
		}
		return nil
	})
	p := random(longFile)
	r.temporary(".film.mp4.A1b2C3", "film.mp4", p)
	if err := r.rename(".film.mp4.A1b2C3", "film.mp4", 0); !errors.Is(err, ErrBusy) {
		t.Errorf("rename gave %v, want ErrBusy", err)
	}
	if got := r.load("film.mp4"); !bytes.Equal(got, promised) {
		t.Errorf("it holds %d bytes", len(got))
	}
	r.f.set(nil)
	if err := r.v.Sync(t.Context(), "film.mp4"); err != nil {
		t.Fatal(err)
	}
	r.mustRename(".film.mp4.A1b2C3", "film.mp4", 0)
	r.sync()
	if !bytes.Equal(r.load("film.mp4"), p) {
		t.Error("not what was written")
	}
}

// TestToldByEachNameOnTheWay: rsync --delay-updates moves a file aside before it gives it its name.
func TestToldByEachNameOnTheWay(t *testing.T) {
	for _, keeper := range []string{".~tmp~", ".rsync-partial"} {
		r := newTight(t, crypt.CTR, false)
		r.mkdir(keeper)
		p := random(longFile)
		r.temporary(".film.mp4.A1b2C3", "film.mp4", p)
		r.mustRename(".film.mp4.A1b2C3", keeper+"/film.mp4", 0)
		if d := r.draft(r.v.Status(), keeper+"/film.mp4"); d.Told != "film.mp4" || d.State != Local.String() {
			t.Errorf("status: %+v", d)
		}
		r.mustRename(keeper+"/film.mp4", "film.mp4", 0)
		r.sync()
		if !bytes.Equal(r.load("film.mp4"), p) {
			t.Error("not what was written")
		}
	}
}
