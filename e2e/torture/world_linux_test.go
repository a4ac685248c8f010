package torture

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

// counts are for the report.
type counts struct {
	refused, lost, kills, calls, promises, compared, happened, not, restarts, freezes, objects, interrupted int
	aims                                                                                                    map[string]int
}

// world is a bucket with a mount that is killed again and again.
type world struct {
	b          *bench
	rng        *rand.Rand // of who kills; each worker has its own
	seed       uint64
	mode       string
	durability string
	small      *sizes // nil: of parts and spool that are never full
	rig        *rig.Rig
	mount      *rig.Mount
	atKill     string // the spool's folder as the last kill left it
	begun      time.Time

	*round

	mu      sync.Mutex
	root    *node
	claims  []string
	closed  map[[sha256.Size]byte]bool // content that the bucket may have
	number  int                        // of the last write, and of the last node
	large   int                        // large files that may still be written in this round
	log     []event
	pending []*step // that were under way at the kill
	counts  counts
}

// event is one call that came back, or did not.
type event struct {
	at    time.Duration
	who   int
	text  string
	paths []string
	node  int
	err   error
}

const remembered = 20_000 // events

func newWorld(t *testing.T, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 0))
	w := &world{
		b: &bench{TB: t}, rng: rng, seed: seed,
		mode: pick(rng, "CTR", "CBC", "GCM"), durability: pick(rng, "upload", "spool"),
		root:   &node{kind: dir, kids: map[string]*node{}, sure: true, attr: begun(attr{})},
		closed: map[[sha256.Size]byte]bool{}, begun: time.Now(), counts: counts{aims: map[string]int{}},
		small: drawSizes(rng),
	}
	t.Cleanup(func() { // after the rig's own
		if w.b.Failed() {
			t.Errorf("seed %d, %s, durability %s, %v:\n%s", seed, w.mode, w.durability, w.small, w.b.text())
		}
	})
	s := rig.Settings{
		"crypt.mode": fmt.Sprintf("%q", w.mode), "mount.durability": fmt.Sprintf("%q", w.durability),
		"mount.fresh": `"500ms"`, "upload.timeout": `"20s"`, "mount.local_only": `["*~"]`,
	}
	if w.small == nil {
		w.rig = rig.New(w.b, s)
	} else {
		s["upload.timeout"] = `"5s"` // for so long a writer waits for room that nobody makes
		w.rig = rig.NewSmall(w.b, s, w.small.part, w.small.spool)
	}
	w.mount = w.rig.Mount("a")
	return w
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// limit is how long one call, or one look, may take; longer is a hang.
const limit = 90 * time.Second

func within(p, q string) bool { return q == "" || p == q || strings.HasPrefix(p, q+"/") }

// claim takes names for one worker, unless somebody has one of them, or one above
// or below; mu is held.
func (w *world) claim(paths ...string) bool {
	for _, p := range paths {
		for _, q := range w.claims {
			if within(p, q) || within(q, p) {
				return false
			}
		}
	}
	w.claims = append(w.claims, paths...)
	return true
}

func (w *world) release(paths []string) {
	w.claims = slices.DeleteFunc(w.claims, func(q string) bool { return slices.Contains(paths, q) })
}

// note writes an event down; mu is held.
func (w *world) note(who int, s *step, err error) {
	if len(w.log) >= remembered {
		w.log = slices.Clone(w.log[remembered/2:])
	}
	w.log = append(w.log, event{time.Since(w.begun), who, s.text, s.paths, s.node, err})
}

func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(-1, &step{text: fmt.Sprintf(format, args...)}, nil)
}

// history lists the last events that concern a path or a node.
func (w *world) history(p string, n *node, most int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for _, e := range slices.Backward(w.log) {
		about := p == "" && n == nil || e.who < 0 || n != nil && e.node == n.id || slices.ContainsFunc(e.paths, func(q string) bool { return within(p, q) || within(q, p) })
		if !about {
			continue
		}
		lines = append(lines, fmt.Sprintf("%9v %2d %s %v", e.at.Round(100*time.Microsecond), e.who, e.text, e.err))
		if len(lines) == most {
			break
		}
	}
	slices.Reverse(lines)
	return strings.Join(lines, "\n")
}

// round is the time from one kill to the next.
type round struct {
	pid    int
	killed atomic.Bool   // before the signal is sent: what fails from now on may have happened
	struck chan struct{} // closed then
	aim    aim
}

// strike kills the daemon, now.
func (r *round) strike() {
	if r.killed.CompareAndSwap(false, true) {
		_ = unix.Kill(r.pid, unix.SIGKILL)
		close(r.struck)
	}
}

// mayHold notes content that a commit may publish; mu is held.
func (w *world) mayHold(text []byte) { w.closed[sha256.Sum256(text)] = true }

// fail tells what is wrong, and keeps everything for who has to understand it.
func (w *world) fail(when string, b *broken) {
	w.b.Errorf("%s: %v", when, b)
	w.b.Errorf("what was done there:\n%s", w.history(b.path, b.node, 60))
	w.keep()
	w.b.Fatalf("")
}

// keep copies spool, bucket and logs to where nothing removes them.
func (w *world) keep() {
	to, err := os.MkdirTemp("", "mcfs-torture-")
	if err != nil {
		w.b.Errorf("%v", err)
		return
	}
	from := []string{w.rig.Spool("a"), w.rig.S3.Dir}
	if w.atKill != "" {
		from = append(from, w.atKill)
	}
	logs, _ := filepath.Glob(filepath.Join(w.rig.Dir, "*-*[rl]")) // *-stderr, *-config.toml
	args := append(append([]string{"-a", "--"}, append(from, logs...)...), to)
	_ = exec.Command("cp", args...).Run() // what comes and goes meanwhile cannot be had
	if err := os.WriteFile(filepath.Join(to, "events"), []byte(w.history("", nil, remembered)), 0o600); err != nil {
		w.b.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(to, "requests"), []byte(w.requests()), 0o600); err != nil {
		w.b.Errorf("%v", err)
	}
	w.b.Errorf("spool, bucket, logs, events and requests are kept in %s", to)
}

// requests lists what S3 was asked, with the conditions and the answers: the clock of
// the events, how long it took, and the status, 0 where there was none.
func (w *world) requests() string {
	var b strings.Builder
	for _, q := range w.rig.S3.Proxy.Requests() {
		fmt.Fprintf(&b, "%10v %8v %3d %s %s", q.Start.Sub(w.begun).Round(time.Millisecond/10), q.Took.Round(time.Millisecond/10), q.Status, q.Op, q.Path)
		for _, name := range []string{"prefix", "uploadId", "partNumber"} {
			if value := q.Query.Get(name); value != "" {
				fmt.Fprintf(&b, " %s=%s", name, value)
			}
		}
		for _, name := range []string{"If-Match", "If-None-Match", "X-Amz-Copy-Source", "X-Amz-Meta-Mcfs-Iv"} {
			if value := q.Header.Get(name); value != "" {
				fmt.Fprintf(&b, " %s=%s", name, value)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
