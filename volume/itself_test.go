package volume

import (
	"context"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/remote"
)

// dress sets attributes that only a sidecar states.
func (r *rig) dress(name string, mode uint32, at time.Time) {
	r.t.Helper()
	if _, err := r.node(name).SetAttr(r.t.Context(), nil, SetAttr{Mode: &mode, Mtime: &at}); err != nil {
		r.t.Fatal(err)
	}
	r.note(name, at.String())
}

func (r *rig) note(name, value string) {
	r.t.Helper()
	if err := r.node(name).SetXattr(r.t.Context(), "user.note", []byte(value), false, false); err != nil {
		r.t.Fatal(err)
	}
}

// dressed says that a file has them.
func (r *rig) dressed(name string, mode uint32, at time.Time) {
	r.t.Helper()
	n := r.node(name)
	a, err := n.Attr(r.t.Context())
	if err != nil || a.Mode&0o7777 != mode || !a.Mtime.Equal(at) {
		r.t.Errorf("%s: %+v, %v; not %o, %v", name, a, err, mode, at)
	}
	if got, err := n.GetXattr(r.t.Context(), "user.note"); err != nil || string(got) != at.String() {
		r.t.Errorf("%s: xattr %q, %v", name, got, err)
	}
}

// sidecarsAre compares the names of all sidecars in the store.
func (r *rig) sidecarsAre(want ...string) {
	r.t.Helper()
	var got []string
	for _, key := range r.objects() {
		if sidecar.Is(key) {
			got = append(got, key)
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		r.t.Errorf("the store has %v, not %v", got, want)
	}
}

const inTrash = ".Trash-0/files/"

var (
	someDay  = time.Unix(1_000_000_000, 5)
	laterDay = time.Unix(1_100_000_000, 7)
)

// undrawn opens another volume in which every file that is not cached is too large to be
// fetched into the spool.
func (r *rig) undrawn(name string) {
	r.t.Helper()
	r.close()
	r.open(name)
	r.v.localiseLimit = -1
}

// filled is a rig with a film a and a directory d with a file b, none of them cached, and
// an empty trash.
func filled(t *testing.T, mode crypt.Mode) (r *rig, f *flaky) {
	r, f = newFlakyRig(t, mode)
	r.close()
	r.o.CloseTimeout = time.Minute
	r.open("spool-warm")
	r.mkdir("d")
	for name, content := range map[string]string{"a": "film", "d/b": "b"} {
		r.save(name, []byte(content))
		r.dress(name, 0o640, someDay)
	}
	r.sync()
	r.undrawn("spool-cold")
	r.mkdir(".Trash-0")
	r.mkdir(".Trash-0/files")
	return r, f
}

// trashed is one of which the trash has both.
func trashed(t *testing.T, mode crypt.Mode) (r *rig, f *flaky) {
	r, f = filled(t, mode)
	r.mustRename("a", inTrash+"a", 0)
	r.mustRename("d", inTrash+"d", 0)
	return r, f
}

// TestIntoTheTrash: what is moved in the store to a local-only name has no sidecar there,
// keeps its attributes all the same, and has one again when it comes back.
func TestIntoTheTrash(t *testing.T) {
	for _, mode := range []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM} {
		t.Run(mode.String(), func(t *testing.T) {
			r, _ := trashed(t, mode)
			r.sync()
			r.sidecarsAre()
			look := func() {
				r.dressed(inTrash+"a", 0o640, someDay)
				r.dressed(inTrash+"d/b", 0o640, someDay)
				r.holds("in the trash", map[string]string{inTrash + "a": "film", inTrash + "d/b": "b"})
			}
			look()
			r.undrawn("spool-another")
			look()
			r.close()
			r.open("spool-another") // which remembers both
			r.v.localiseLimit = -1
			look()
			r.sidecarsAre()
			r.mustRename(inTrash+"a", inTrash+"a.2", 0)
			r.sync()
			r.sidecarsAre()
			r.mustRename(inTrash+"a.2", "a", 0)
			r.mustRename(inTrash+"d", "e", 0)
			r.sync()
			r.sidecarsAre("a.settings.json", "e/b.settings.json")
			r.truthful()
			r.cold()
			r.dressed("a", 0o640, someDay)
			r.dressed("e/b", 0o640, someDay)
			r.holds("in the end", map[string]string{"a": "film", "e/b": "b"})
			for _, key := range []string{"a", "e/b"} {
				if info, err := r.store.Head(t.Context(), key); err != nil || info.Metadata[sidecar.KeySize] != "" {
					t.Errorf("%s states %v, %v", key, info.Metadata, err)
				}
			}
		})
	}
}

// TestAttributesInTheTrash: what is set there outlasts a kill, the trash, and the journal.
// A sidecar that came with it stays as long as the file is in the trash.
func TestAttributesInTheTrash(t *testing.T) {
	r, f := trashed(t, crypt.CTR)
	r.sync()
	r.dress(inTrash+"a", 0o600, laterDay)
	r.dress(inTrash+"d/b", 0o600, laterDay)
	r.crash(f, "after")
	look := func(a, b string) {
		t.Helper()
		r.sync()
		r.dressed(a, 0o600, laterDay)
		r.dressed(b, 0o600, laterDay)
		r.undrawn("spool-" + a[len(a)-1:])
		r.dressed(a, 0o600, laterDay)
		r.dressed(b, 0o600, laterDay)
		r.truthful()
	}
	look(inTrash+"a", inTrash+"d/b")
	r.mustRename(inTrash+"a", inTrash+"c", 0)
	r.mustRename(inTrash+"d", inTrash+"e", 0)
	look(inTrash+"c", inTrash+"e/b")
	r.sidecarsAre(inTrash+"c.settings.json", inTrash+"e/b.settings.json")
	r.mustRename(inTrash+"c", "x", 0)
	r.mustRename(inTrash+"e", "e", 0)
	look("x", "e/b")
	r.sidecarsAre("e/b.settings.json", "x.settings.json")
}

// TestTrashWithoutRoom: attributes for which S3 has no room beside the key stay in a sidecar.
func TestTrashWithoutRoom(t *testing.T) {
	r, _ := filled(t, crypt.CTR)
	// As many as older programs let a file have, which kept no room for the name of a job.
	long := strings.Repeat("x", 1164)
	n := r.node("a")
	if err := n.describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.content.Lock()
	n.content.Attr.Xattr = map[string][]byte{"user.note": []byte(long)}
	n.content.Unlock()
	if err := n.attrChanged(); err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.mustRename("a", inTrash+"a", 0)
	r.sync()
	r.sidecarsAre(inTrash+"a.settings.json", "d/b.settings.json")
	r.cold()
	if got, err := r.node(inTrash+"a").GetXattr(t.Context(), "user.note"); err != nil || string(got) != long {
		t.Errorf("xattr of %d bytes, %v", len(got), err)
	}
	r.truthful()
}

// keeping is a store whose copies have the metadata of the original, whatever is asked for.
type keeping struct{ store.Store }

func (s keeping) Copy(ctx context.Context, c store.Copy) (store.Info, error) {
	info, err := s.Head(ctx, c.Source)
	if err != nil {
		return info, err
	}
	c.Attributes.Metadata = info.Metadata
	return s.Store.Copy(ctx, c)
}

// TestTrashWhereCopiesKeepMetadata: a sidecar does not go before something else states what it did.
func TestTrashWhereCopiesKeepMetadata(t *testing.T) {
	r, f := filled(t, crypt.CTR)
	f.Store = keeping{f.Store}
	r.mustRename("a", inTrash+"a", 0)
	r.mustRename("d", inTrash+"d", 0)
	r.sync()
	r.sidecarsAre(inTrash+"a.settings.json", inTrash+"d/b.settings.json")
	r.undrawn("spool-after")
	r.dressed(inTrash+"a", 0o640, someDay)
	r.dressed(inTrash+"d/b", 0o640, someDay)
	r.truthful()
	r.mustRename(inTrash+"a", "a", 0)
	r.sync()
	r.cold()
	r.dressed("a", 0o640, someDay)
}

// TestRepairInTheTrash: a sidecar that a local-only name is not to have is not missing. It
// is, once the name means something.
func TestRepairInTheTrash(t *testing.T) {
	r, _ := trashed(t, crypt.GCM)
	r.sync()
	repair := func(want int) {
		t.Helper()
		if n, err := r.v.Repair(t.Context(), ""); err != nil || n != want {
			t.Errorf("%d were put right, %v; want %d", n, err, want)
		}
		r.sync()
	}
	repair(0)
	r.sidecarsAre()
	r.close()
	r.o.LocalOnly = append(r.o.LocalOnly, "!.Trash-*")
	r.open("spool-other-names")
	repair(2)
	r.sidecarsAre(inTrash+"a.settings.json", inTrash+"d/b.settings.json")
	r.dressed(inTrash+"a", 0o640, someDay)
	r.cold()
	r.dressed(inTrash+"a", 0o640, someDay)
	r.dressed(inTrash+"d/b", 0o640, someDay)
	r.truthful()
}

// TestOnTheWayToTheTrash: while its directory moves, a file that has left its sidecar
// behind has its attributes still, also for who knew nothing of it.
func TestOnTheWayToTheTrash(t *testing.T) { synctest.Test(t, onTheWayToTheTrash) }

func onTheWayToTheTrash(t *testing.T) {
	r, f := filled(t, crypt.CTR)
	f.set(func(op, key string) error {
		if op == "delete" && key == "d/b" {
			return errDown
		}
		return nil
	})
	r.mustRename("d", inTrash+"d", 0)
	f.await(t, "d/b.settings.json", func(_ store.Info, err error) bool { return err != nil })
	r.dressed(inTrash+"d/b", 0o640, someDay)
	r.crash(f, "after")
	f.set(nil)
	r.dressed(inTrash+"d/b", 0o640, someDay)
	r.sync()
	r.sidecarsAre("a.settings.json")
	r.cold()
	r.dressed(inTrash+"d/b", 0o640, someDay)
}

// TestExchangeWithTheTrash: two files change places, of which one is in the trash.
func TestExchangeWithTheTrash(t *testing.T) {
	r, _ := filled(t, crypt.CTR)
	r.dress("a", 0o600, laterDay)
	r.sync()
	r.mustRename("a", inTrash+"a", 0)
	r.sync()
	r.mustRename("d/b", inTrash+"a", Exchange)
	r.sync()
	r.sidecarsAre("d/b.settings.json")
	for range 2 {
		r.dressed("d/b", 0o600, laterDay)
		r.dressed(inTrash+"a", 0o640, someDay)
		r.holds("exchanged", map[string]string{"d/b": "film", inTrash + "a": "b"})
		r.truthful()
		r.cold()
	}
}

// TestForeignInTheTrash: an object of another program goes there and back as it is.
func TestForeignInTheTrash(t *testing.T) {
	r, _ := filled(t, crypt.CTR)
	want := map[string]string{"mtime": "1234.5", "mode": "33188", "mcfs-size": "12"}
	_, err := r.store.Put(t.Context(), "foreign", bodyOf([]byte("theirs")), store.Attributes{ContentType: "text/x", Metadata: want}, store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	r.undrawn("spool-foreign")
	r.mkdir(".Trash-0")
	r.mkdir(".Trash-0/files")
	for _, step := range [][2]string{{"foreign", inTrash + "f"}, {inTrash + "f", "back"}} {
		r.mustRename(step[0], step[1], 0)
		r.sync()
		info, err := r.store.Head(t.Context(), step[1])
		if err != nil || !maps.Equal(info.Metadata, want) || info.ContentType != "text/x" {
			t.Errorf("%s: %+v, %v", step[1], info, err)
		}
		r.holds("foreign", map[string]string{step[1]: "theirs"})
	}
	r.sidecarsAre("a.settings.json", "d/b.settings.json")
}

// TestRemovedFromTheTrash: nobody's sidecar is waited for, and one that another machine
// has put there goes, too.
func TestRemovedFromTheTrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := trashed(t, crypt.CTR)
		r.sync()
		if err := r.node(inTrash[:len(inTrash)-1]).Remove(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		r.sync()
		if took := time.Since(begun); took >= remote.Late {
			t.Errorf("it took %v", took)
		}
		if got := strings.Join(r.objects(), " "); strings.Contains(got, "files/a") {
			t.Errorf("the store has %s", got)
		}
	})
}
