package volume

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"mcfs/crypt"
)

// damages are what a power cut may leave of the files of a draft that was never fsynced.
var damages = map[string]func(data, mapFile string) error{
	"no files":       func(data, mapFile string) error { return errors.Join(os.Remove(data), os.Remove(mapFile)) },
	"empty files":    func(data, mapFile string) error { return errors.Join(os.Truncate(data, 0), os.Truncate(mapFile, 0)) },
	"no map":         func(_, mapFile string) error { return os.Remove(mapFile) },
	"an empty map":   func(_, mapFile string) error { return os.Truncate(mapFile, 0) },
	"a map of zeros": func(_, mapFile string) error { return zero(mapFile, 0) },
	"half a map":     func(_, mapFile string) error { return os.Truncate(mapFile, 100) },
	"no header":      func(data, _ string) error { return zero(data, 0) },
	"a short header": func(data, _ string) error { return os.Truncate(data, 100) },
}

// zero makes a file zeros from some offset on.
func zero(path string, from int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return errors.Join(os.Truncate(path, from), os.Truncate(path, info.Size()))
}

// powerCut harms the sealed files of name in a copy of the spool, and opens another volume on that.
func (r *rig) powerCut(f *flaky, name string, harm func(data, mapFile string) error) {
	r.t.Helper()
	n := r.node(name)
	n.content.Lock()
	id, _ := n.content.EntryIDLocked()
	n.content.Unlock()
	name = r.name + "-harmed"
	to := filepath.Join(r.home, name)
	if err := os.CopyFS(to, os.DirFS(r.spoolDir())); err != nil {
		r.t.Fatal(err)
	}
	data := filepath.Join(to, id.String())
	if err := harm(data, data+".map"); err != nil {
		r.t.Fatal(err)
	}
	r.throwAway(f)
	r.openCopy(f, name, nil)
}

// tryOpen opens as a program does by way of the kernel, which looks a stale name up again.
func (r *rig) tryOpen(name string, flags int) (*Handle, error) {
	h, err := r.node(name).Open(r.t.Context(), flags, nil)
	if errors.Is(err, ErrStale) {
		h, err = r.node(name).Open(r.t.Context(), flags, nil)
	}
	return h, err
}

// TestNeverFsynced: SQLite does not fsync its -shm, nor an editor its swap file. After a
// power cut what is left of such a file can be opened, is empty, and can be written and
// closed again; it is not lost, and it is not committed as it is.
func TestNeverFsynced(t *testing.T) {
	for what, harm := range damages {
		for name, comesBack := range map[string]State{".t.swp": Local, "t.part": Interrupted} {
			bubble(t, what+" of "+name, func(t *testing.T) {
				r, f := newFlakyRig(t, crypt.CTR)
				r.save(name, random(100_000))
				r.powerCut(f, name, harm)
				if h, err := r.tryOpen(name, os.O_RDONLY); err != nil {
					t.Errorf("open: %v", err)
				} else if got := r.readAll(h); len(got) > 0 {
					t.Errorf("%d bytes are there", len(got))
				} else {
					h.Release()
				}
				r.state(r.node(name), comesBack)
			})
		}
		for _, flags := range []int{os.O_RDWR, os.O_RDWR | os.O_TRUNC, os.O_WRONLY} {
			bubble(t, what, func(t *testing.T) {
				r, f := newFlakyRig(t, crypt.CTR)
				r.save(".t.swp", random(100_000))
				r.powerCut(f, ".t.swp", harm)
				r.state(r.node(".t.swp"), Local)
				h, err := r.tryOpen(".t.swp", flags)
				if err != nil {
					t.Fatalf("open with flags %#x: %v", flags, err)
				}
				if a, err := h.Node().Attr(t.Context()); err != nil || a.Size != 0 {
					t.Errorf("%d bytes, %v", a.Size, err)
				}
				r.write(h, []byte("new"), 0)
				r.finish(h)
				r.crash(f, "after")
				r.holds("after a kill", map[string]string{".t.swp": "new"})
				r.mustRename(".t.swp", "t", 0)
				r.sync()
				r.expectObjects("t", "t.settings.json")
			})
		}
	}
}

// TestFsyncedOnce: what an fsync has promised of a local-only file is lost where it is not
// on the disk, and not empty; but a later close that promised nothing is no loss.
func TestFsyncedOnce(t *testing.T) {
	for what, harm := range damages {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r, f := newFlakyRig(t, crypt.CTR)
			h := r.create(".t.swp", 0)
			r.write(h, []byte("promised"), 0)
			if err := h.Fsync(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.write(h, []byte("and more"), 8)
			r.finish(h)
			r.powerCut(f, ".t.swp", func(string, string) error { return nil }) // a kill, in truth
			h, err := r.tryOpen(".t.swp", os.O_RDWR)
			if err != nil {
				t.Fatal(err)
			}
			r.write(h, []byte("and again"), 0)
			r.finish(h)
			r.powerCut(f, ".t.swp", harm)
			if _, err := r.attempt(".t.swp"); !errors.Is(err, ErrIO) {
				t.Errorf("read: %v", err)
			}
			r.state(r.node(".t.swp"), Lost)
		})
	}
	t.Run("the later close is gone", func(t *testing.T) {
		r, f := newFlakyRig(t, crypt.CTR)
		h := r.create(".t.swp", 0)
		r.write(h, []byte("promised"), 0)
		if err := h.Fsync(t.Context()); err != nil {
			t.Fatal(err)
		}
		var size int64
		cut := func(_, mapFile string) error { return os.Truncate(mapFile, size) }
		info, err := os.Stat(filepath.Join(r.spoolDir(), sealedID(h.n).String()+".map"))
		if err != nil {
			t.Fatal(err)
		}
		size = info.Size()
		r.write(h, []byte("and more"), 8)
		r.finish(h)
		r.powerCut(f, ".t.swp", cut)
		if h, err := r.tryOpen(".t.swp", os.O_RDONLY); err != nil || string(r.readAll(h)) != "promised" {
			t.Errorf("not what was promised: %v", err)
		} else {
			h.Release()
		}
	})
}

// TestRenamedAfterAKill: a rename makes durable what a close before a kill had not.
func TestRenamedAfterAKill(t *testing.T) {
	for what, rename := range map[string]func(r *rig){
		"a file":            func(r *rig) { r.mustRename("d/.x.swp", "d/x", 0) },
		"its directory":     func(r *rig) { r.mustRename("d", "e", 0) },
		"an exchange":       func(r *rig) { r.mustRename("d/.x.swp", "other", Exchange) },
		"of its directory":  func(r *rig) { r.mustRename("d", "other", Exchange) },
		"over another file": func(r *rig) { r.mustRename("d/.x.swp", "other", 0) },
	} {
		bubble(t, what, func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			r.mkdir("d")
			r.save("d/.x.swp", []byte("content"))
			r.save("other", []byte("other"))
			r.sync()
			r.crash(f, "after")
			f.set(down)
			n := r.node("d/.x.swp")
			rename(r)
			n.content.Lock()
			_, _, _, filed := n.content.SealedAsLocked()
			durable := filed && n.content.ThroughBootLocked() == ""
			n.content.Unlock()
			if !durable {
				t.Error("a power cut could take what was renamed")
			}
			f.set(nil)
		})
	}
}

// lostWays are two in which a file comes to be lost: its sealed file was damaged at rest,
// or it turned out in this mount that it cannot be committed.
var lostWays = map[string]func(r *rig, f *flaky, name string){
	"damaged": func(r *rig, f *flaky, name string) {
		f.set(down)
		h := r.create(name, 0)
		r.write(h, []byte("lost content"), 0)
		_ = h.Flush(r.t.Context(), nil)
		if err := h.Fsync(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		h.Release()
		r.powerCut(f, name, damages["no header"])
		_, _ = r.attempt(name)
	},
	"condemned": func(r *rig, f *flaky, name string) {
		f.set(down)
		h := r.create(name, 0)
		r.write(h, []byte("lost content"), 0)
		_ = h.Flush(r.t.Context(), nil)
		h.Release()
		n := r.node(name)
		if err := zero(filepath.Join(r.spoolDir(), sealedID(n).String()), 4096); err != nil {
			r.t.Fatal(err)
		}
		f.set(nil)
		r.state(n, Lost)
	},
}

// TestLostCanBeReplaced: a lost file can be emptied in each way that programs know,
// replaced and removed; what is put in its place is committed, also after a restart, and
// what is left of the lost one stays in quarantine.
func TestLostCanBeReplaced(t *testing.T) {
	zero := int64(0)
	for way, lose := range lostWays {
		for what, replace := range map[string]func(r *rig, name string) *Handle{
			"open with O_TRUNC": func(r *rig, name string) *Handle { return r.openFile(name, os.O_RDWR|os.O_TRUNC) },
			"create":            func(r *rig, name string) *Handle { return r.create(name, os.O_TRUNC) },
			"open, ftruncate": func(r *rig, name string) *Handle { // as the kernel asks for O_TRUNC
				h := r.openFile(name, os.O_WRONLY)
				if _, err := h.n.SetAttr(r.t.Context(), h, SetAttr{Size: &zero}); err != nil {
					r.t.Fatal(err)
				}
				return h
			},
			"truncate": func(r *rig, name string) *Handle {
				if _, err := r.node(name).SetAttr(r.t.Context(), nil, SetAttr{Size: &zero}); err != nil {
					r.t.Fatal(err)
				}
				return r.openFile(name, os.O_RDWR)
			},
			"rename over": func(r *rig, name string) *Handle {
				r.save("other", []byte("other"))
				r.mustRename("other", name, 0)
				return r.openFile(name, os.O_RDWR|os.O_TRUNC)
			},
			"remove": func(r *rig, name string) *Handle {
				r.remove(name)
				return r.create(name, os.O_EXCL)
			},
		} {
			for _, name := range []string{"film.mp4", ".t.swp"} {
				if way == "condemned" && name != "film.mp4" {
					continue // that is not committed
				}
				bubble(t, way+", "+what+" "+name, func(t *testing.T) {
					r, f := newFlakyRig(t, crypt.CTR)
					lose(r, f, name)
					r.state(r.node(name), Lost)
					h := replace(r, name)
					r.write(h, []byte("new"), 0)
					r.finish(h)
					r.crash(f, "after")
					r.holds("after a kill", map[string]string{name: "new"})
					r.sync()
					if q, err := r.spool.Quarantined(); err != nil || len(q) == 0 {
						t.Errorf("quarantine: %v, %v", q, err)
					}
					if name == "film.mp4" {
						r.expectObjects("film.mp4", "film.mp4.settings.json")
					} else {
						r.state(r.node(name), Local)
					}
				})
			}
		}
	}
}

// TestLostCannotBeRead: an open lost file gives EIO for whatever does not empty it.
func TestLostCannotBeRead(t *testing.T) { synctest.Test(t, lostCannotBeRead) }

func lostCannotBeRead(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	lostWays["damaged"](r, f, "film.mp4")
	if _, err := r.node("film.mp4").Open(t.Context(), os.O_RDONLY, nil); !errors.Is(err, ErrIO) {
		t.Errorf("open: %v", err)
	}
	h := r.openFile("film.mp4", os.O_RDWR)
	defer h.Release()
	_, errRead := h.ReadAt(t.Context(), make([]byte, 10), 0)
	_, errWrite := h.WriteAt(t.Context(), []byte("x"), 0)
	errCut := h.n.truncate(t.Context(), h, 3)
	for call, err := range map[string]error{"read": errRead, "write": errWrite, "truncate": errCut} {
		if !errors.Is(err, ErrIO) {
			t.Errorf("%s: %v", call, err)
		}
	}
}
