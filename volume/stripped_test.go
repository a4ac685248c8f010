package volume

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
)

// What may be missing of an object and of what stands beside it, as after a copy by a
// program that takes no metadata along, or only some.
type loss struct {
	name    string
	object  []string // fields of the object's metadata
	side    []string // fields of the sidecar's
	noSide  bool
	hinted  bool // the sidecar still names the object's ETag
	foreign bool // nothing says how to decrypt what is left
}

var objectFields = []string{
	sidecar.KeyVersion, sidecar.KeyMode, sidecar.KeyKey, sidecar.KeyKeyID, sidecar.KeyIV, sidecar.KeyCheck,
}

var sidecarFields = []string{
	sidecar.KeyETag, sidecar.KeySize, sidecar.KeyMAC, sidecar.KeyKeyID,
	sidecar.KeyMtime, sidecar.KeyFileMode, sidecar.KeyUID, sidecar.KeyGID,
}

func losses() []loss {
	list := []loss{
		{name: "nothing"},
		{name: "the object's metadata", object: objectFields},
		{name: "the object's metadata, found by its ETag", object: objectFields, hinted: true},
		{name: "the sidecar's metadata", side: sidecarFields},
		{name: "all metadata", object: objectFields, side: sidecarFields},
		{name: "the sidecar", noSide: true},
		{name: "all metadata and the sidecar", object: objectFields, noSide: true, foreign: true},
	}
	for _, field := range objectFields {
		list = append(list,
			loss{name: field, object: []string{field}},
			loss{name: field + ", found by its ETag", object: []string{field}, hinted: true},
			loss{name: field + " and the sidecar's metadata", object: []string{field}, side: sidecarFields})
	}
	for _, field := range sidecarFields {
		list = append(list, loss{name: field + " of the sidecar", side: []string{field}})
	}
	return list
}

// strip loses what l says of a committed file.
func (r *rig) strip(name string, l loss) {
	r.t.Helper()
	without := func(fields []string) func(map[string]string) {
		return func(meta map[string]string) {
			maps.DeleteFunc(meta, func(k, _ string) bool { return slices.Contains(fields, k) })
		}
	}
	r.restate(name, without(l.object))
	if l.noSide {
		if err := r.store.Delete(r.t.Context(), sidecar.Name(name), store.Condition{}); err != nil {
			r.t.Fatal(err)
		}
		return
	}
	_, info := r.raw(name)
	r.restate(sidecar.Name(name), func(meta map[string]string) {
		if l.hinted {
			meta[sidecar.KeyETag] = info.ETag
		}
		without(l.side)(meta)
	})
}

// strippedCases are what can be done to a file, which is at "d/a", and beside which "d/b"
// has lost the same; after gives what must be there, of what was in both.
var strippedCases = []struct {
	name  string
	act   func(r *rig, a []byte)
	after func(a, b []byte) map[string][]byte
}{
	{"read", func(r *rig, a []byte) { r.reads("d/a", string(a)) },
		func(a, b []byte) map[string][]byte { return map[string][]byte{"d/a": a, "d/b": b} }},
	{"append", func(r *rig, a []byte) {
		h := r.openFile("d/a", os.O_RDWR)
		r.write(h, []byte("more"), int64(len(a)))
		r.finish(h)
	}, func(a, b []byte) map[string][]byte {
		return map[string][]byte{"d/a": append(bytes.Clone(a), "more"...), "d/b": b}
	}},
	{"overwrite", func(r *rig, a []byte) { r.save("d/a", []byte("new")) },
		func(a, b []byte) map[string][]byte { return map[string][]byte{"d/a": []byte("new"), "d/b": b} }},
	{"rename", func(r *rig, a []byte) { r.mustRename("d/a", "d/c", 0) },
		func(a, b []byte) map[string][]byte { return map[string][]byte{"d/c": a, "d/b": b} }},
	{"rename what was read", func(r *rig, a []byte) { r.load("d/a"); r.mustRename("d/a", "d/c", 0) },
		func(a, b []byte) map[string][]byte { return map[string][]byte{"d/c": a, "d/b": b} }},
	{"rename over a file", func(r *rig, a []byte) { r.mustRename("d/a", "d/b", 0) },
		func(a, b []byte) map[string][]byte { return map[string][]byte{"d/b": a} }},
	{"exchange", func(r *rig, a []byte) { r.mustRename("d/a", "d/b", Exchange) },
		func(a, b []byte) map[string][]byte { return map[string][]byte{"d/a": b, "d/b": a} }},
	{"rename the directory", func(r *rig, a []byte) { r.mustRename("d", "e", 0) },
		func(a, b []byte) map[string][]byte { return map[string][]byte{"e/a": a, "e/b": b} }},
	{"backup and back", func(r *rig, a []byte) {
		r.mustRename("d/a", "d/a~", 0)
		r.syncSoon("draw")
		r.mustRename("d/a~", "d/c", 0)
	}, func(a, b []byte) map[string][]byte { return map[string][]byte{"d/c": a, "d/b": b} }},
	{"chmod", func(r *rig, a []byte) { r.chmod("d/a", 0o600) },
		func(a, b []byte) map[string][]byte { return map[string][]byte{"d/a": a, "d/b": b} }},
	{"remove", func(r *rig, a []byte) { r.remove("d/a") },
		func(a, b []byte) map[string][]byte { return map[string][]byte{"d/b": b} }},
}

// TestStrippedFiles: whatever can be read can be changed, renamed and removed, whatever of
// the metadata is missing, in a mount that knows nothing but the store.
func TestStrippedFiles(t *testing.T) {
	for _, mode := range modes {
		for _, l := range losses() {
			if mode != crypt.CTR && len(l.object)+len(l.side) == 1 {
				continue // the modes differ in nothing that a single field tells, nor in how an object is found
			}
			t.Run(mode.String()+"/"+l.name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, mode)
				for _, c := range strippedCases {
					r.stripAndAct(c.name, l, c.act, c.after)
				}
			})
		}
	}
}

// stripAndAct makes two files, loses something of both, does something, and looks what
// there is afterwards: in this mount, in one that knows nothing, and in the store.
func (r *rig) stripAndAct(what string, l loss, act func(*rig, []byte), after func(a, b []byte) map[string][]byte) {
	r.t.Helper()
	a, b := random(70_001), random(333)
	r.mkdir("d")
	r.save("d/a", a)
	r.save("d/b", b)
	r.sync()
	for _, name := range []string{"d/a", "d/b"} {
		r.strip(name, l)
	}
	if l.foreign {
		a, _ = r.raw("d/a")
		b, _ = r.raw("d/b")
	}
	r.cold()
	act(r, a)
	r.syncSoon(what)
	if given := r.v.Status().GivenUp; len(given) > 0 {
		r.t.Errorf("%s: given up: %+v", what, given)
	}
	want := after(a, b)
	r.reading(what, want)
	r.cold()
	r.reading(what+", then cold", want)
	r.decryptable(what)
	if what == "chmod" && !l.foreign && r.mode("d/a")&0o777 != 0o600 {
		r.t.Errorf("its mode is %o", r.mode("d/a"))
	}
	for _, key := range r.objects() {
		if err := r.store.Delete(r.t.Context(), key, store.Condition{}); err != nil {
			r.t.Fatal(err)
		}
	}
	r.cold()
}

// TestRenameStatesWhatIsMissing: a rename gives an object its metadata back, whichever it has lost.
func TestRenameStatesWhatIsMissing(t *testing.T) {
	for _, mode := range modes {
		r := newRig(t, mode)
		for _, l := range losses() {
			if len(l.side) > 0 || l.noSide {
				continue // then nothing may say what is missing
			}
			r.save("a", random(333))
			_, whole := r.raw("a")
			r.strip("a", l)
			r.cold()
			r.mustRename("a", "b", 0)
			r.syncSoon(l.name)
			if _, info := r.raw("b"); !maps.Equal(info.Metadata, whole.Metadata) {
				t.Errorf("%s, %s: the object states %v, and did %v", mode, l.name, info.Metadata, whole.Metadata)
			}
			r.remove("b")
			r.sync()
		}
	}
}

// syncSoon fails the test, and says what waits, where that will not end.
func (r *rig) syncSoon(what string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	if err := r.v.Sync(ctx, ""); err != nil {
		r.t.Fatalf("%s: sync: %v: %+v", what, err, r.v.Status().Changes)
	}
}

// reading checks what the files hold, and that there are no others.
func (r *rig) reading(what string, want map[string][]byte) {
	r.t.Helper()
	for name, p := range want {
		if got, err := r.attempt(name); err != nil || !bytes.Equal(got, p) {
			r.t.Errorf("%s: %s has %d bytes, want %d, or others (%v)", what, name, len(got), len(p), err)
		}
	}
	for _, key := range r.objects() {
		_, isSide := sidecar.Base(key)
		if _, ok := want[key]; !ok && !isSide && !strings.HasSuffix(key, "/") {
			r.t.Errorf("%s: the store has %s still", what, key)
		}
	}
}

// decryptable checks that each sidecar in the store decrypts the object beside it,
// whatever that one states itself (P3).
func (r *rig) decryptable(what string) {
	r.t.Helper()
	for _, key := range r.objects() {
		base, ok := sidecar.Base(key)
		if !ok {
			continue
		}
		if err := r.decrypts(base); err != nil {
			r.t.Errorf("%s: %s: %v", what, key, err)
		}
	}
}

func (r *rig) decrypts(name string) error {
	want, err := r.attempt(name)
	if err != nil {
		return err
	}
	side, _ := r.raw(sidecar.Name(name))
	doc, err := sidecar.Parse(side)
	if err != nil {
		return err
	}
	key, err := r.keeper.Unwrap(r.t.Context(), doc.Key, "")
	if err != nil {
		return err
	}
	mode, err := crypt.ParseMode(doc.Mode)
	if err != nil {
		return err
	}
	text, _ := r.raw(name)
	var plain bytes.Buffer
	if _, _, err := crypt.DecryptStream(&plain, bytes.NewReader(text), mode, key, doc.IV, int64(len(text))); err != nil {
		return err
	}
	if !bytes.Equal(plain.Bytes(), want) {
		return fmt.Errorf("it decrypts to something else than the file holds")
	}
	return nil
}
