package torture

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"mcfs/e2e/rig"
	"mcfs/spool"
)

// true demands of the bucket, as a kill has left it, that every sidecar decrypts its
// object (P3), and that no object holds what nobody had closed (P6). The server may
// still be busy with requests of the dead: so it is looked at again.
func (w *world) truth() {
	var failed string
	for range 10 {
		failed = w.b.attempt(func() {
			for key, sum := range w.rig.ProofWithCopies() { // a rename may not have removed the original yet
				if !w.wasClosed(sum) {
					w.b.Errorf("S3 has, at %s, what nobody had closed", key)
				}
				w.counts.objects++
			}
		})
		if failed == "" {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	w.fail("in the bucket, right after the kill", &broken{text: failed})
}

func (w *world) wasClosed(sum string) bool {
	b, err := hex.DecodeString(sum)
	return err == nil && len(b) == sha256.Size && w.closed[[sha256.Size]byte(b)]
}

// sync has mcfs finish all there is, and returns the paths of interrupted drafts.
func (w *world) sync() (interrupted []string) {
	if out, err := w.mount.Mcfs(limit, "sync", w.mount.Dir); err != nil {
		w.fail("mcfs sync", &broken{text: fmt.Sprintf("%v: %s", err, out)})
	}
	for _, d := range w.status().Drafts {
		switch {
		case d.State == "local" && localOnly(d.Path):
		case d.State == "interrupted":
			interrupted = append(interrupted, d.Path)
		default:
			w.fail("after mcfs sync", &broken{path: d.Path, text: "its draft is " + d.State})
		}
	}
	return interrupted
}

// commit has mcfs commit what killed writers have left.
func (w *world) commit(paths []string) {
	args := []string{"sync"}
	for _, p := range paths {
		args = append(args, w.mount.Path(p))
	}
	if out, err := w.mount.Mcfs(limit, args...); err != nil {
		w.fail("mcfs sync of interrupted files", &broken{path: paths[0], text: fmt.Sprintf("%v: %s", err, out)})
	}
}

// status is what mcfs status says, as far as it is compared.
type status struct {
	Drafts     []struct{ Path, State string }
	Changes    []struct{ What, Path string }
	Conflicts  []struct{ Path, Aside string }
	Quarantine []quarantined
}

type quarantined struct{ File, Why string }

func (w *world) status() status {
	out, err := w.mount.Mcfs(limit, "status", "--json", w.mount.Dir)
	var doc struct{ Mounts []status }
	if err == nil {
		err = json.Unmarshal([]byte(out), &doc)
	}
	if err != nil || len(doc.Mounts) != 1 {
		w.fail("mcfs status", &broken{text: fmt.Sprintf("%v: %s", err, out)})
	}
	s := doc.Mounts[0]
	s.Quarantine = slices.DeleteFunc(s.Quarantine, func(q quarantined) bool { return w.small != nil && strings.Contains(q.Why, onlyUpload) })
	if len(s.Changes) > 0 || len(s.Conflicts) > 0 || len(s.Quarantine) > 0 {
		w.fail("after mcfs sync, mcfs status shows what is not to be there", &broken{text: out})
	}
	return s
}

// bucket demands exactly the tree of the bucket. What is still interrupted is there
// as it was closed before, if it was.
func (w *world) bucket(interrupted []string) {
	failed := w.b.attempt(func() {
		sums, keys := w.rig.Proof(), make(map[string]bool)
		for _, k := range w.rig.Keys() {
			keys[strings.TrimPrefix(k, rig.Prefix)] = true
		}
		for _, n := range w.root.all(isAny) {
			w.inBucket(n, sums, keys, slices.Contains(interrupted, n.path()))
		}
		for k := range keys {
			w.b.Errorf("S3 has %s besides", k)
		}
		w.sidecarsShown(interrupted)
	})
	if failed != "" {
		w.fail("in the bucket, after mcfs sync", &broken{text: failed})
	}
}

// inBucket looks for a node's objects, and strikes them off the keys.
func (w *world) inBucket(n *node, sums map[string]string, keys map[string]bool, open bool) {
	p := n.path()
	w.counts.objects++
	optional := open || localOnly(p)
	switch {
	case n.kind == dir:
		p += "/"
	case n.kind == file:
		sum := sha256.Sum256(n.content.now())
		got, there := sums[p]
		switch {
		case there && !open && got != hex.EncodeToString(sum[:]):
			w.b.Errorf("S3's %s (node %d) decrypts to %s, not to %s", p, n.id, got, brief(n.content.now()))
		case there && open && !w.wasClosed(got):
			w.b.Errorf("S3's %s (node %d) holds what nobody had closed", p, n.id)
		case !there && !optional:
			w.b.Errorf("S3 has no sidecar of %s (node %d)", p, n.id)
		}
		delete(keys, p+rig.SidecarSuffix)
	}
	if !keys[p] && !optional {
		w.b.Errorf("S3 has no %s (node %d)", p, n.id)
	}
	delete(keys, p)
}

// sidecarsShown holds some of the sidecars that the mount shows against S3's.
func (w *world) sidecarsShown(interrupted []string) {
	files := w.root.all(isFile)
	w.rng.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	for _, n := range files[:min(len(files), 4)] {
		p := n.path()
		if localOnly(p) || slices.Contains(interrupted, p) {
			continue
		}
		got, err := os.ReadFile(w.mount.Path(p + rig.SidecarSuffix))
		if err != nil || !bytes.Equal(got, w.rig.Get(rig.Prefix+p+rig.SidecarSuffix).Body) {
			w.b.Errorf("the mount shows another sidecar of %s (node %d) than S3 has: %v, %q", p, n.id, err, got)
		}
	}
}

// lastLook unmounts, and demands that spool and bucket hold nothing that is not
// accounted for, and that all that is to be seen elsewhere is.
func (w *world) lastLook() {
	if interrupted := w.sync(); len(interrupted) > 0 {
		w.commit(interrupted)
	}
	w.mount.Unmount()
	if w.b.Failed() {
		w.fail("at the unmount", &broken{})
	}
	w.spoolAccounts()
	w.noUploads()
	w.elsewhere()
}

// sealedName is that of a file in the spool's folder, and of its map.
var sealedName = regexp.MustCompile(`^([0-9a-f]{32})(\.map)?$`)

// spoolAccounts holds the files in the spool's folder against the journal, and that
// against the tree.
func (w *world) spoolAccounts() {
	left, err := spool.Peek(w.mount.Spool)
	if err != nil {
		w.fail("the spool", &broken{text: err.Error()})
	}
	known := make(map[string]bool)
	for _, e := range left.Entries {
		known[fmt.Sprintf("%x", e.ID[:])] = true
		if n := w.at(e.Path); n == nil || !localOnly(e.Path) {
			w.fail("the spool", &broken{path: e.Path, node: n, text: "the journal keeps a draft (" + e.State + ")"})
		}
	}
	for _, c := range left.Changes {
		w.fail("the spool", &broken{path: c.Path, text: "the journal keeps a change: " + c.Op})
	}
	list, err := os.ReadDir(w.mount.Spool)
	if err != nil {
		w.fail("the spool", &broken{text: err.Error()})
	}
	for _, e := range list {
		id := sealedName.FindStringSubmatch(e.Name())
		switch {
		case slices.Contains([]string{"lock", "journal", "metadata.db"}, e.Name()):
		case w.small != nil && e.Name() == "quarantine":
		case id != nil && known[id[1]]:
		default:
			w.fail("the spool", &broken{text: "it holds " + e.Name() + ", of which the journal knows nothing"})
		}
	}
}

func (w *world) at(p string) *node {
	n := w.root
	for name := range strings.SplitSeq(strings.Trim(p, "/"), "/") {
		if n = n.kids[name]; n == nil {
			return nil
		}
	}
	return n
}

// noUploads waits for the uploads that the dead had begun to be aborted: mcfs looks
// ten seconds later, whether they are, and so it must be mounted for that.
func (w *world) noUploads() {
	if len(w.rig.Uploads()) == 0 {
		return
	}
	w.again()
	for deadline := time.Now().Add(time.Minute); len(w.rig.Uploads()) > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.fail("in the bucket", &broken{text: fmt.Sprintf("unfinished uploads: %q", w.rig.Uploads())})
		}
	}
	w.mount.Unmount()
}

// elsewhere compares the tree with what a mount with an empty spool shows, but for
// what is under local-only names: that is in the spool, unless it was too much for it.
func (w *world) elsewhere() {
	for _, n := range w.root.all(func(n *node) bool { return localOnly(n.path()) }) {
		n.remove()
	}
	w.mount = w.rig.Mount("b")
	s := w.show()
	maps.DeleteFunc(s.all, func(p string, _ found) bool { return localOnly(p) })
	w.demand("in a mount with an empty spool", s)
	w.mount.Unmount()
}
