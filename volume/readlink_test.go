package volume

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/remote"
)

// integrity gives the subkeys of an object of ours, as whoever may use the keeper can.
func (r *rig) integrity(key string) *crypt.Integrity {
	r.t.Helper()
	_, info := r.raw(key)
	obj, ours, err := sidecar.ParseObject(info.Metadata)
	if err != nil || !ours {
		r.t.Fatalf("%s is none of ours: %v", key, err)
	}
	plain, err := r.keeper.Unwrap(r.t.Context(), obj.Key, obj.KeyID)
	if err != nil {
		r.t.Fatal(err)
	}
	mode, err := crypt.ParseMode(obj.Mode)
	if err != nil {
		r.t.Fatal(err)
	}
	g, err := crypt.NewIntegrity(mode, plain, obj.IV)
	if err != nil {
		r.t.Fatal(err)
	}
	return g
}

func (r *rig) refusedLink(what, name string) {
	r.t.Helper()
	n := r.node(name)
	for range 2 { // the second time it is known
		if target, err := n.Readlink(r.t.Context()); !errors.Is(err, ErrIO) {
			r.t.Errorf("%s: -> %q, %v; want EIO", what, target, err)
		}
	}
}

// TestTamperedSymlink alters what the store has of a symlink: it is not followed, and
// its neighbour is.
func TestTamperedSymlink(t *testing.T) {
	const was, want = "versions/2026-11-29/stream.m3u8", "/home/me/.ssh/authorized_keys2_"
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			r := newRig(t, mode)
			for what, tamper := range map[string]func(body []byte, meta map[string]string) []byte{
				"a target that was chosen": func(body []byte, _ map[string]string) []byte {
					for i := range want {
						body[i] ^= was[i] ^ want[i]
					}
					return body
				},
				"a bit":         func(body []byte, _ map[string]string) []byte { body[3] ^= 1; return body },
				"a longer one":  func(body []byte, _ map[string]string) []byte { return append(body, body[:16]...) },
				"a shorter one": func(body []byte, _ map[string]string) []byte { return body[:16] },
				"its check": func(body []byte, meta map[string]string) []byte {
					first := "x"
					if strings.HasPrefix(meta[sidecar.KeyCheck], first) {
						first = "y"
					}
					meta[sidecar.KeyCheck] = first + meta[sidecar.KeyCheck][1:]
					return body
				},
			} {
				r.symlink("current", was)
				r.symlink("other", was)
				r.sync()
				body, info := r.raw("current")
				r.plant("current", tamper(body, info.Metadata), info.Metadata)
				r.cold()
				r.refusedLink(what, "current")
				r.holds(what, map[string]string{"other": "-> " + was})
				r.remove("current")
				r.remove("other")
				r.sync()
			}
		})
	}
}

// TestTypeIsChecked edits the mode that the store has, so that one type of object
// looks like another: a file is not followed, and a symlink is not read.
func TestTypeIsChecked(t *testing.T) {
	link := func(meta map[string]string) { meta[sidecar.KeyFileMode] = strconv.Itoa(modeSymlink | 0o777) }
	file := func(meta map[string]string) { meta[sidecar.KeyFileMode] = strconv.Itoa(modeFile | 0o644) }
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			r := newRig(t, mode)
			r.save("short", []byte("/home/me/.config/autostart/x"))
			r.save("long.mp4", random(100_000))
			r.symlink("link", "target")
			r.symlink("forged", "target")
			r.sync()
			r.truthful()
			for _, name := range []string{"short", "long.mp4"} {
				r.restate(name, link)
				if err := r.store.Delete(t.Context(), name+".settings.json", store.Condition{}); err != nil {
					t.Fatal(err)
				}
			}
			r.restate("link", file)
			r.forgeSidecar("forged")
			r.cold()
			r.refusedLink("a file that is called a symlink", "short")
			r.refusedLink("a long one", "long.mp4")
			for _, name := range []string{"link", "forged"} {
				if got, err := r.attempt(name); err == nil || len(got) > 0 {
					t.Errorf("%s, a symlink that is called a file, reads %q", name, got)
				}
			}
		})
	}
}

// forgeSidecar puts a settings document beside a symlink that describes it as a file.
func (r *rig) forgeSidecar(name string) {
	r.t.Helper()
	body, info := r.raw(name)
	obj, _, err := sidecar.ParseObject(info.Metadata)
	if err != nil {
		r.t.Fatal(err)
	}
	doc := sidecar.Settings{FileInput: r.store.Address(name), Mode: "AES_" + obj.Mode, Key: obj.Key, IV: obj.IV}
	text, err := doc.Marshal()
	if err != nil {
		r.t.Fatal(err)
	}
	mode, err := crypt.ParseMode(obj.Mode)
	if err != nil {
		r.t.Fatal(err)
	}
	size := int64(len("target"))
	if mode.CipherSize(size) != int64(len(body)) {
		r.t.Fatal("the symlink is longer than it is taken for")
	}
	meta, err := sidecar.Meta{ETag: info.ETag, Size: size, KeyID: obj.KeyID, Attr: sidecar.Attr{Mode: modeFile | 0o644}}.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	r.plant(name+".settings.json", text, meta)
}

// TestTypeStays: a mounted file whose object is put again with another mode stays
// what it is, and so does a symlink.
func TestTypeStays(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("f", []byte("content"))
	r.symlink("l", "target")
	r.sync()
	if err := r.store.Delete(t.Context(), "f.settings.json", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	r.cold()
	for name, kind := range map[string]Kind{"f": File, "l": Symlink} {
		n := r.node(name)
		if err := n.describe(t.Context()); err != nil {
			t.Fatal(err)
		}
		other := uint32(modeSymlink | 0o777)
		if kind == Symlink {
			other = modeFile | 0o644
		}
		r.restate(name, func(meta map[string]string) { meta[sidecar.KeyFileMode] = strconv.Itoa(int(other)) })
		x, err := r.v.remote.Describe(t.Context(), n.listed)
		if err != nil {
			t.Fatal(err)
		}
		n.content.Lock()
		n.takeRefreshed(x)
		n.content.Unlock()
		_, info := r.raw(name)
		n.content.Base.Moved(name, info.ETag, remote.Sidecar{}) // else it is another version
		if err := n.recheckObject(t.Context()); err != nil {
			t.Fatal(err)
		}
		a, err := n.Attr(t.Context())
		if err != nil || n.Kind() != kind || a.Mode&modeType != kind.typeBits() || n.content.Base.IsSymlink() != (kind == Symlink) {
			t.Errorf("%s is %#o, %v, and its version a link: %v", name, a.Mode, err, n.content.Base.IsSymlink())
		}
	}
	r.holds("after", map[string]string{"f": "content", "l": "-> target"})
}

// TestSymlinkBesideItsSidecarsName: a symlink has no sidecar, so that an object of
// somebody's may be called as it would be. What is shown of it agrees with itself.
func TestSymlinkBesideItsSidecarsName(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.symlink("l", "target")
	r.sync()
	r.plant("l.settings.json", []byte("an object of somebody's"), nil)
	r.cold()
	for range 2 {
		n := r.node("l")
		if a, err := n.Attr(t.Context()); err != nil || a.Mode&modeType != n.Kind().typeBits() {
			t.Errorf("kind %d has mode %#o, %v", n.Kind(), a.Mode, err)
		}
	}
	r.holds("once it is known", map[string]string{"l": "-> target"})
}

// old gives a symlink in the store the check of an older program, which was that of a file.
func (r *rig) old(name string) {
	r.t.Helper()
	check := r.integrity(name).Check()
	r.restate(name, func(meta map[string]string) { meta[sidecar.KeyCheck] = check })
}

// TestOldSymlink: one that an older program made cannot be told from a file that was
// turned into one. It is shown and not followed, unless the configuration says so;
// changes of its name and attributes do not make it valid; made again, it is.
func TestOldSymlink(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			r := newRig(t, mode)
			r.symlink("l", "target")
			r.sync()
			r.old("l")
			r.cold()
			r.refusedLink("an old symlink", "l")
			r.mustRename("l", "m", 0)
			r.chmod("m", 0o700)
			r.sync()
			r.cold()
			r.refusedLink("renamed and restated", "m")
			r.close()
			r.o.UncheckedLinks = true
			r.open("spool-unchecked")
			r.holds("unchecked", map[string]string{"m": "-> target"})
			r.symlink("n", "target")
			r.sync()
			body, info := r.raw("n")
			body[0] ^= 1
			r.plant("n", body, info.Metadata)
			r.cold()
			r.refusedLink("a new one that was altered", "n")
			r.remove("n")
			r.close()
			r.o.UncheckedLinks = false
			r.open("spool-checked")
			r.remove("m")
			r.symlink("m", "target")
			r.sync()
			r.cold()
			r.holds("made again", map[string]string{"m": "-> target"})
		})
	}
}

// TestOldSymlinkInTheJournal: what an older program kept in the journal, under a
// local-only name or because the store was away, is this machine's own: it is
// followed, and gets its check before it leaves.
func TestOldSymlinkInTheJournal(t *testing.T) {
	for _, mode := range modes {
		bubble(t, mode.String(), func(t *testing.T) {
			r, f := newFlakyRig(t, mode)
			f.set(down)
			r.symlink("l", "target")
			r.symlink("arrived", "target")
			r.symlink(".#l", "user@host")
			r.forgetChecks()
			r.crash(f, "again")
			want := map[string]string{"l": "-> target", "arrived": "-> target", ".#l": "-> user@host"}
			r.holds("after a crash", want)
			r.mustRename(".#l", "kept", 0)
			r.sync()
			r.cold()
			r.holds("cold", map[string]string{"l": "-> target", "arrived": "-> target", "kept": "-> user@host"})
		})
	}
}

// forgetChecks has the journal know symlinks as an older program noted them, of which
// the one called "arrived" has reached the store already.
func (r *rig) forgetChecks() {
	r.t.Helper()
	older := func(x *remote.Version) *remote.Version {
		now := x.State()
		key, err := r.keeper.Unwrap(r.t.Context(), now.Wrapped, now.KeyID)
		if err != nil {
			r.t.Fatal(err)
		}
		g, err := crypt.NewIntegrity(x.Mode, key, x.IV)
		if err != nil {
			r.t.Fatal(err)
		}
		now.Check = g.Check()
		return remote.NewVersion(x.Content, now)
	}
	v := r.v
	v.mu.Lock()
	defer v.mu.Unlock()
	for c := range v.changes.QueuedLocked() {
		c.Ver = older(c.Ver)
		if err := c.Pack(); err != nil {
			r.t.Fatal(err)
		}
		if err := v.spool.Journal().Update(func(tx *spool.Tx) error { return tx.PutChange(c.Record()) }); err != nil {
			r.t.Fatal(err)
		}
		if c.Path != "arrived" {
			continue
		}
		meta, err := sidecar.EncodeAttr(c.Attr)
		if err != nil {
			r.t.Fatal(err)
		}
		maps.Copy(meta, c.Ver.Object().Encode())
		r.plant(c.Path, c.Body, meta)
	}
	kept := v.root.dir.Get(".#l")
	kept.content.Base = older(kept.content.Base)
	if err := v.journalLocal(kept); err != nil {
		r.t.Fatal(err)
	}
}
