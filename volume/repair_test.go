package volume

import (
	"bytes"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"mcfs/crypt"
	"mcfs/sidecar"
)

const oldHome, region = `"s3://old-bucket/old/`, "us-west-2"

// moveHome has the sidecars name the place from which a bucket was copied, and, as another
// keeper's would, a region; all metadata is lost where stripped says so.
func (r *rig) moveHome(stripped bool, names ...string) {
	r.t.Helper()
	for _, name := range names {
		if stripped {
			r.strip(name, loss{object: objectFields, side: sidecarFields})
		}
		side, info := r.raw(sidecar.Name(name))
		text := strings.Replace(string(side), `"s3://ingest/a/`, oldHome, 1)
		if stripped {
			text = strings.Replace(text, `"InitializationVector"`, `"KmsKeyRegion": "`+region+`", "InitializationVector"`, 1)
		}
		r.plant(sidecar.Name(name), []byte(text), info.Metadata)
	}
}

// namesHome checks that a sidecar names its file's place, and the region if there was one.
func (r *rig) namesHome(name, region string) {
	r.t.Helper()
	side, _ := r.raw(sidecar.Name(name))
	doc, err := sidecar.Parse(side)
	if err != nil {
		r.t.Fatal(err)
	}
	if want := r.store.Address(name); doc.FileInput != want || doc.Region != region {
		r.t.Errorf("the sidecar of %s names %s in %q, want %s in %q", name, doc.FileInput, doc.Region, want, region)
	}
}

// TestRepair: sidecars that name the bucket from which theirs was copied, that have lost
// their metadata or that are missing are put right; the others are left alone.
func TestRepair(t *testing.T) {
	r := newRig(t, crypt.GCM)
	r.mkdir("d")
	r.mkdir("d/e")
	names := []string{"right", "moved", "d/stripped", "d/e/both", "d/e/none", "other"}
	for _, name := range names {
		r.save(name, []byte(name))
	}
	r.sync()
	r.moveHome(false, "moved", "other")
	r.strip("d/stripped", loss{side: sidecarFields})
	r.moveHome(true, "d/e/both")
	r.strip("d/e/none", loss{noSide: true})
	r.plant("foreign", []byte("no sidecar, and none is to come"), nil)
	_, untouched := r.raw(sidecar.Name("right"))
	r.cold()
	r.put("draft", []byte("not committed"))
	repair := func(path string, want int) {
		t.Helper()
		if wrong, err := r.v.WrongSidecars(t.Context(), path); err != nil || len(wrong) != want {
			t.Errorf("%q: %q are wrong, want %d (%v)", path, wrong, want, err)
		}
		if n, err := r.v.Repair(t.Context(), path); n != want || err != nil {
			t.Errorf("%q: %d were put again, want %d (%v)", path, n, want, err)
		}
		r.syncSoon("repair")
	}
	_, before := r.raw(sidecar.Name("moved"))
	wrong, err := r.v.WrongSidecars(t.Context(), "")
	slices.Sort(wrong)
	if want := []string{"d/e/both", "d/e/none", "d/stripped", "moved", "other"}; err != nil || !slices.Equal(wrong, want) {
		t.Errorf("wrong are %q, not %q (%v)", wrong, want, err)
	}
	r.syncSoon("a look")
	if _, info := r.raw(sidecar.Name("moved")); info.ETag != before.ETag {
		t.Error("a look has put a sidecar again")
	}
	repair("other", 1)
	repair("d/e", 2)
	repair("", 2)
	repair("", 0)
	for _, name := range names {
		want := ""
		if name == "d/e/both" {
			want = region
		}
		r.namesHome(name, want)
	}
	if _, info := r.raw(sidecar.Name("right")); info.ETag != untouched.ETag {
		t.Error("a sidecar that was right has been put again")
	}
	if _, err := r.store.Head(t.Context(), sidecar.Name("foreign")); err == nil {
		t.Error("a foreign object has got a sidecar")
	}
	r.decryptable("repaired")
	r.cold()
	for _, name := range names {
		r.reads(name, name)
	}
	if _, err := r.v.Repair(t.Context(), "absent"); err == nil {
		t.Error("what does not exist was repaired")
	}
	if _, err := r.v.WrongSidecars(t.Context(), "absent"); err == nil {
		t.Error("what does not exist was looked at")
	}
}

// TestMovedHomeIsSaid: the log says once that sidecars name another place than their files', and the cure.
func TestMovedHomeIsSaid(t *testing.T) {
	r, log := newRig(t, crypt.CTR), new(lines)
	r.save("right", []byte("text"))
	r.save("a", []byte("text"))
	r.save("b", []byte("text"))
	r.sync()
	r.moveHome(false, "a", "b")
	r.o.Log = slog.New(slog.NewTextHandler(log, nil))
	r.cold()
	const names = "names another place than its file's"
	r.reads("right", "text")
	if n := log.with(names); n != 0 {
		t.Errorf("of one that is right the log says so %d times", n)
	}
	r.reads("a", "text")
	r.reads("b", "text")
	if n, cures := log.with(names), log.with("mcfs sync --repair"); n != 1 || cures != 1 {
		t.Errorf("the log says so %d times, and what helps %d times", n, cures)
	}
}

// TestMovedHomeIsPutRight: whatever puts a sidecar again has it name its file's place, and
// keep the region, which nothing but the document may know.
func TestMovedHomeIsPutRight(t *testing.T) {
	for name, act := range map[string]func(r *rig) (at string){
		"rename": func(r *rig) string { r.mustRename("d/a", "d/b", 0); return "d/b" },
		"rename, known": func(r *rig) string {
			r.load("d/a")
			r.mustRename("d/a", "d/b", 0)
			return "d/b"
		},
		"move":  func(r *rig) string { r.mustRename("d", "e", 0); return "e/a" },
		"chmod": func(r *rig) string { r.chmod("d/a", 0o600); return "d/a" },
		"chmod over another's": func(r *rig) string {
			r.node("d/a").describe(r.t.Context())
			side, info := r.raw("d/a.settings.json")
			r.plant("d/a.settings.json", append(bytes.TrimRight(side, "\n"), " \n"...), info.Metadata)
			r.chmod("d/a", 0o600)
			return "d/a"
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, crypt.CTR)
			r.mkdir("d")
			r.save("d/a", []byte("text"))
			r.sync()
			r.moveHome(true, "d/a")
			r.cold()
			at := act(r)
			r.syncSoon(name)
			r.namesHome(at, region)
			r.cold()
			r.reads(at, "text")
		})
	}
}

// TestChangeAfterMovedHome: the next version's sidecar names the file's place by itself.
func TestChangeAfterMovedHome(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("a", []byte("text"))
	r.sync()
	r.moveHome(false, "a")
	r.cold()
	h := r.openFile("a", os.O_RDWR)
	r.write(h, []byte("new "), 0)
	r.finish(h)
	r.namesHome("a", "")
}
