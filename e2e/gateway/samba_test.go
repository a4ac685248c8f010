package gateway

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"mcfs/e2e/rig"
)

// suites are tests of Samba's own, of a server: those of Apple's extensions, of streams, names, times, locks between
// clients, and handles that outlive a connection. Each takes seconds.
var suites = []string{
	"vfs.fruit", "smb2.streams", "smb2.rename.simple", "smb2.rename.msword", "smb2.rename.rename_dir_openfile",
	"smb2.sharemode", "smb2.delete-on-close-perms", "smb2.oplock.batch1", "smb2.oplock.exclusive1",
	"smb2.lease.nobreakself", "smb2.lease.upgrade", "smb2.lease.rename_wait", "smb2.timestamps",
	"smb2.durable-v2-open.open-oplock", "smb2.durable-v2-open.reopen2", "smb2.durable-v2-open.reopen2-lease",
}

// fewest is how many of their tests pass on a disk with Debian's Samba, at least: those that do not ask for another
// configuration.
const fewest = 70

// TestSambasOwn runs tests of Samba's in the mount and in a folder of a disk: what passes there passes here.
func TestSambasOwn(t *testing.T) {
	t.Parallel()
	_, m := mount(t, rig.Settings{"mount.durability": `"spool"`, "mount.sidecars": `"hidden"`})
	disk := t.TempDir()
	for dir := disk; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	// They ask for the one of Apple's extensions, copies by the server, that is off by default.
	g := serve(t, m, "fruit:copyfile = yes\n", map[string]string{"disk": disk})
	g.smbtorture = program(t, "smbtorture")
	passed := 0
	for _, suite := range suites {
		var got results
		var shown string
		done := make(chan struct{})
		go func() { // both wait most of the time; it ends with its program
			defer close(done)
			got, shown = g.torture(suite, "ingest", m.Dir)
		}()
		want, said := g.torture(suite, "disk", disk)
		<-done
		passed += len(want)
		if len(want) == 0 {
			t.Errorf("nothing of %s passes on a disk:\n%s", suite, said)
		}
		for name := range want {
			if !got[name] {
				t.Errorf("%s, %s: passes on a disk, and not in the mount:\n%s", suite, name, shown)
			}
		}
	}
	if passed < fewest {
		t.Errorf("%d tests pass on a disk, and no less than %d should", passed, fewest)
	}
	m.Unmount()
}

// results are what tests have passed, by name.
type results map[string]bool

var outcome = regexp.MustCompile(`(?m)^success: (.+)$`)

// torture runs a suite on a share, whose folder the tests may look into: what has passed, and all that was said.
func (g *gateway) torture(suite, share, dir string) (results, string) {
	out, _ := exec.Command("timeout", "300", g.smbtorture, "-s", g.conf, "-p", g.port, "-U", login+"%"+password,
		"//127.0.0.1/"+share, suite, "--option=torture:localdir="+dir).CombinedOutput() // fails if one of them does
	passed := make(results)
	for _, m := range outcome.FindAllStringSubmatch(string(out), -1) {
		passed[m[1]] = true
	}
	return passed, string(out)
}
