package programs

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// manyFiles is how many files TestRemoveManyFiles removes, a thousand a directory, which
// takes two pages of a listing; and how long that may take. MCFS_TEST_LONG=1 makes them 20,000.
func manyFiles() (files int, limit time.Duration) {
	if os.Getenv("MCFS_TEST_LONG") == "1" {
		return 20_000, 4 * time.Minute
	}
	return 4_000, 90 * time.Second
}

// TestRemoveManyFiles removes a tree of thousands of files with rm -r, which meets as
// many sidecars. rm waits for the journal only, not for S3; the unmount finishes
// what is left. The daemon is built without the race detector, whose time this
// would measure.
func TestRemoveManyFiles(t *testing.T) {
	rig.Need(t, "rm", "find")
	t.Parallel()
	files, limit := manyFiles()
	sink := rig.StartSink(t)
	settings := []byte(`{"DecryptionSettings":{"DecryptionMode":"AES_CTR","EncryptedDecryptionKey":"` +
		strings.Repeat("AQIDBAUGBwgJCgsM", 15) + `","InitializationVector":"AAECAwQFBgcICQoLAAAAAA=="}}`)
	for i := range files {
		key := fmt.Sprintf("%smany/%d/%d.txt", rig.Prefix, i/1000, i)
		sink.Hold(key, []byte("ciphertext"), 0)
		sink.Hold(key+rig.SidecarSuffix, settings, 0)
	}
	sink.Hold(rig.Prefix+"stays", []byte("it does"), 0)
	r := rig.NewAt(t, rig.Settings{"upload.concurrency": "32"}, sink.URL, sink.Bucket)
	m := r.MountWith(rig.Binary(t, false), "a")
	if got := m.Shell(`find many -type f | wc -l`); got != fmt.Sprintln(2*files) {
		t.Errorf("find counts %s", got)
	}
	begun := time.Now()
	if out, err := m.TryShell(limit, `rm -r many; [ ! -e many ]; ls`); err != nil || out != "stays\n" {
		t.Errorf("rm -r: %v\n%s", err, out)
	}
	took := time.Since(begun)
	m.Unmount()
	t.Logf("rm -r of %d files took %v, with the unmount %v", files, took.Round(time.Second), time.Since(begun).Round(time.Second))
	if n := sink.Counts().Objects; n != 1 {
		t.Errorf("%d objects are left, not one", n)
	}
}
