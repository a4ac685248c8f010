package posix

import (
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/posixtest"

	"mcfs/store/s3/s3test"
)

// excluded are the tests of posixtest that do not run, each with its reason.
var excluded = map[string]string{
	"Link":             "an object has one name: hard links are excluded by design",
	"LinkUnlinkRename": "an object has one name: hard links are excluded by design",
	// Upstream excludes it for a plain directory too: it wants two descriptors of
	// one process to conflict over a fcntl lock, which belongs to the process.
	// TestLocks has two processes conflict.
	"FcntlFlockLocksFile": "no filesystem does what it asks for; excluded upstream for a plain directory",
}

// skips are the tests that may end before their last check, each with its reason.
var skips = map[string]string{
	"XAttrLarge": "S3 holds 2 KB of metadata: 8 KB are refused at once, as by ext4",
}

// TestPosixSuite runs all of posixtest in each mode.
func TestPosixSuite(t *testing.T) {
	for name := range excluded {
		if posixtest.All[name] == nil {
			t.Errorf("%s is excluded, but posixtest has no such test", name)
		}
	}
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) { posixSuite(t, mode) })
	}
}

func posixSuite(t *testing.T, mode string) {
	s := inMode(mode)
	s["mount.sidecars"] = `"hidden"` // the suite counts the entries of its directories
	b := start(t, s)
	for _, name := range slices.Sorted(maps.Keys(posixtest.All)) {
		if excluded[name] == "" && name != race {
			t.Run(name, func(t *testing.T) { posixTest(t, b, name) })
		}
	}
	b.finish()
	if mode != modes[0] {
		return
	}
	b = start(t, s)
	t.Run(race, func(t *testing.T) { posixTest(t, b, race) })
	b.finish()
}

// race leaves two thousand changes of two names behind, which are finished in
// their order. It runs in one mode: what it renames are symlinks, which no mode encrypts.
const race = "OpenSymlinkRace"

func posixTest(t *testing.T, b *bench, name string) {
	dir := b.Path(name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Skipped() && skips[name] == "" {
			t.Errorf("%s skips its last checks", name)
		}
	}()
	if name == "FdLeak" {
		// It counts the descriptors of this process, in which the proxy has the daemon's
		// connections: what the tests before have left to be done is done first.
		if out, err := b.Mcfs(settleLimit, "sync", b.Dir); err != nil {
			t.Fatalf("sync: %v\n%s", err, out)
		}
	}
	posixtest.All[name](t, dir)
}

// TestSettleBehind: what was left to be done behind may take longer than the limit, if the store is
// asked for something all the while.
func TestSettleBehind(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	const step = 600 * time.Millisecond
	b.r.S3.Proxy.Hook(func(s3test.Request) s3test.Fault { return s3test.Fault{Delay: step} })
	b.Shell(`for i in $(seq 6); do ln -s $i link.tmp; mv -T link.tmp link; done`) // changes of one name, in their order
	begun := time.Now()
	b.r.SettleBehind(4*step, nil, "link")
	if took := time.Since(begun); took < 4*step {
		t.Errorf("it took %v, no longer than the limit: the test shows nothing", took)
	}
	b.r.S3.Proxy.Hook(nil)
	b.finish()
}
