package volume

import (
	"testing"

	"mcfs/crypt"
	"mcfs/sidecar"
)

// TestMarkOfAJob: what another program notes in a sidecar's metadata, the job that it has made of
// the version, stays with the version over all that happens to its name and attributes, and goes
// with the version.
func TestMarkOfAJob(t *testing.T) {
	mark := func(r *rig, key string) {
		text, info := r.raw(sidecar.Name(key))
		info.Metadata[sidecar.KeyJob] = "1515368087458-qnoxtd"
		r.plant(sidecar.Name(key), sidecar.Renew(text), info.Metadata)
	}
	for name, c := range map[string]struct {
		act func(r *rig)
		at  string
	}{
		"chmod":          {func(r *rig) { r.chmod("d/a", 0o600) }, "d/a"},
		"chmod twice":    {func(r *rig) { r.chmod("d/a", 0o600); r.sync(); r.chmod("d/a", 0o640) }, "d/a"},
		"rename":         {func(r *rig) { r.mustRename("d/a", "b", 0) }, "b"},
		"chmod, rename":  {func(r *rig) { r.chmod("d/a", 0o600); r.mustRename("d/a", "b", 0) }, "b"},
		"of a directory": {func(r *rig) { r.mustRename("d", "e", 0) }, "e/a"},
		"exchange":       {func(r *rig) { r.save("x", []byte("x")); r.mustRename("d/a", "x", Exchange) }, "x"},
		"seen anew":      {func(r *rig) { r.cold(); r.chmod("d/a", 0o600); r.sync(); r.mustRename("d/a", "b", 0) }, "b"},
		"into the trash": {func(r *rig) {
			r.cold()
			r.v.localiseLimit = 0 // it stays in the store
			r.mkdir(".Trash-0")
			r.mustRename("d/a", ".Trash-0/a", 0)
			r.sync()
			r.cold()
			r.mustRename(".Trash-0/a", "b", 0)
		}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, crypt.CTR)
			r.mkdir("d")
			r.save("d/a", []byte("content"))
			r.sync()
			mark(r, "d/a")
			c.act(r)
			r.sync()
			if _, info := r.raw(sidecar.Name(c.at)); info.Metadata[sidecar.KeyJob] != "1515368087458-qnoxtd" {
				t.Errorf("metadata of the sidecar of %s: %v", c.at, info.Metadata)
			}
			if _, info := r.raw(c.at); info.Metadata[sidecar.KeyJob] != "" {
				t.Errorf("the object states it, too: %v", info.Metadata)
			}
			r.truthful()
			r.cold() // the mark was put behind the mount
			if state, of, err := r.node(c.at).Facts(t.Context()); err != nil || state != Clean || of.Job != "1515368087458-qnoxtd" {
				t.Errorf("the file tells of %+v in state %v, %v", of, state, err)
			}
			r.save(c.at, []byte("other content"))
			r.sync()
			if _, info := r.raw(sidecar.Name(c.at)); info.Metadata[sidecar.KeyJob] != "" {
				t.Errorf("another version has the mark of %s", info.Metadata[sidecar.KeyJob])
			}
		})
	}
}
