package posix

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }

// settleLimit is how long the bucket may take to show what was promised, or the next step to it.
const settleLimit = 2 * time.Minute

// bench is one volume and one mount of it, whose descriptors are counted.
type bench struct {
	*rig.Mount
	r        *rig.Rig
	t        *testing.T
	plain    string // a directory on disk, to compare with
	baseline int    // descriptors of the daemon, but for connections
}

// start mounts a volume of its own.
func start(t *testing.T, s rig.Settings) *bench {
	t.Helper()
	rig.Need(t, "bash", "python3")
	r := rig.New(t, s)
	b := &bench{Mount: r.Mount("a"), r: r, t: t, plain: t.TempDir()}
	// The first save opens what stays open: connections and the journal.
	b.Shell(`echo warm >warm; cat warm >/dev/null; rm warm`)
	r.Settle(settleLimit, nil)
	b.baseline = len(b.descriptors())
	return b
}

// descriptors are what the daemon has open, but for its connections: those that
// are idle stay for a while, and their number is the client's affair.
func (b *bench) descriptors() []string {
	b.t.Helper()
	list, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(b.PID()), "fd", "*"))
	if err != nil {
		b.t.Fatal(err)
	}
	var open []string
	for _, fd := range list {
		target, err := os.Readlink(fd)
		if err == nil && !strings.HasPrefix(target, "socket:") {
			open = append(open, target)
		}
	}
	return open
}

// empty removes everything in the mount and demands that the daemon then has
// open what it had at the start: a handle that leaks keeps its sealed file open.
func (b *bench) empty() {
	b.t.Helper()
	b.Shell(`find . -mindepth 1 -delete`)
	b.r.SettleBehind(settleLimit, nil)
	now := b.descriptors()
	for deadline := time.Now().Add(10 * time.Second); len(now) > b.baseline && time.Now().Before(deadline); now = b.descriptors() {
		time.Sleep(20 * time.Millisecond)
	}
	if len(now) > b.baseline {
		b.t.Errorf("the daemon has %d files open, %d at the start:\n%s", len(now), b.baseline, strings.Join(now, "\n"))
	}
}

// finish empties the mount, counts descriptors and unmounts.
func (b *bench) finish() {
	b.t.Helper()
	b.empty()
	b.Unmount()
}

// modes are those of the objects.
var modes = []string{"CTR", "CBC", "GCM"}

// inMode is the setting of a mode.
func inMode(mode string) rig.Settings { return rig.Settings{"crypt.mode": fmt.Sprintf("%q", mode)} }
