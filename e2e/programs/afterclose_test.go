package programs

import (
	"bytes"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// afterClose are programs that set times or modes of a file that they have closed.
var afterClose = map[string]string{
	"rsync":   `rsync -a --inplace "$SOURCE" rsync`,
	"gio":     `gio copy -p "$SOURCE" gio`,
	"install": `install -p -m 640 "$SOURCE" install`,
	"rclone":  `cat "$SOURCE" >rclone; touch -r "$SOURCE" rclone`, // what it calls
	renames:   `cat "$SOURCE" >.save.tmp; mv .save.tmp renames; touch -r "$SOURCE" renames`,
}

// renames is one whose close promises nothing: the name does that its file gets, which is
// finished behind whatever close waits for.
const renames = "renames"

// TestAttributesAfterClose: where close waits for the store, the sidecar has been put when
// such a program goes on, and it is put once more, for the same IV. Where close waits for the
// spool alone, what is set meanwhile is in the first one.
func TestAttributesAfterClose(t *testing.T) {
	rig.Need(t, "rsync", "install", "gio")
	for durability, restated := range map[string]int{"upload": 1, "spool": 0} {
		t.Run(durability, func(t *testing.T) {
			b := newBench(t, rig.Settings{"mount.durability": `"` + durability + `"`})
			source := path.Join(b.tree, "numbers.txt")
			for name, script := range afterClose {
				leaves, restated := make(chan struct{}), restated
				if durability == "spool" || name == renames {
					restated = 0
					b.r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
						if q.Method == http.MethodPut && strings.HasSuffix(q.Path, "/"+name) {
							return s3test.Fault{Gate: leaves}
						}
						return s3test.Fault{}
					})
				}
				mark := b.r.Mark()
				b.m.Shell("SOURCE='" + source + "'; " + script)
				close(leaves)
				first := awaitSidecar(t, b.r, name)
				if out, err := b.m.Mcfs(time.Minute, "sync", b.m.Path()); err != nil {
					t.Fatalf("sync: %v: %s", err, out)
				}
				if got := b.r.Saves(mark)[name]; got.Objects != 1 || got.Sidecars != 1 || got.Restated != restated {
					t.Errorf("%s: %v; want one object, one sidecar, restated %d times", name, got, restated)
				}
				last := b.r.Fetch(name, path.Join(t.TempDir(), name))
				if !bytes.Equal(first.IV, last.IV) {
					t.Errorf("%s: the IV is another after its attributes were set", name)
				}
				if got := b.r.Head(rig.Prefix + name + rig.SidecarSuffix)["mtime"]; !strings.HasPrefix(got, "981173106.789012") {
					t.Errorf("%s: its sidecar states mtime %q", name, got)
				}
			}
			b.m.Unmount()
		})
	}
}

// awaitSidecar fetches a file as soon as its sidecar is there.
func awaitSidecar(t *testing.T, r *rig.Rig, name string) rig.Sealed {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, there := r.Find(rig.Prefix + name + rig.SidecarSuffix); there {
			return r.Fetch(name, path.Join(t.TempDir(), name))
		}
		if time.Now().After(deadline) {
			t.Fatalf("no sidecar of %s", name)
		}
	}
}
