package volume

import (
	"os"
	"path/filepath"
	"testing"

	"mcfs/crypt"
)

// TestFsyncOfAttributes copies the spool, as a power failure would leave it, right after
// an fsync: a second change of attributes shares the first one's request, but not its fate.
func TestFsyncOfAttributes(t *testing.T) {
	for _, dir := range []bool{false, true} {
		r, f := newFlakyRig(t, crypt.CTR)
		r.save("a", []byte("content"))
		r.sync()
		r.chmod("a", 0o640)
		r.chmod("a", 0o600)
		if dir {
			if err := r.v.Root().Fsync(); err != nil {
				t.Fatal(err)
			}
		} else {
			h, err := r.node("a").Open(t.Context(), os.O_RDONLY, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Fsync(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.Release()
		}
		left, err := os.ReadFile(filepath.Join(r.spoolDir(), "journal", "log"))
		if err != nil {
			t.Fatal(err)
		}
		r.crash(f, "after") // later than that, which the file as it was then makes up for
		r.close()
		if err := os.WriteFile(filepath.Join(r.spoolDir(), "journal", "log"), left, 0o600); err != nil {
			t.Fatal(err)
		}
		r.open("after")
		if got := r.mode("a") & 0o777; got != 0o600 {
			t.Errorf("dir %v: mode %o after the crash", dir, got)
		}
	}
}
