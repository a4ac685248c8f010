package torture

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"mcfs/store/s3/s3test"
)

// aim is when the daemon is to be killed: at an instant, at one of the calls, or
// at one of the requests to S3. In any case after patience.
type aim struct {
	text    string
	after   time.Duration // of what it waits for, or of the start
	verb    string        // of the call: it has returned
	amid    bool          // the call begins
	request string        // of S3's operations
	nth     int           // of them
}

// patience is how long a round lasts at most.
const patience = 2500 * time.Millisecond

// requests are those by which mcfs changes the bucket.
var requests = []string{"PutObject", "DeleteObject", "CopyObject", "UploadPartCopy", "CompleteMultipartUpload", "CreateMultipartUpload", "any"}

func newAim(rng *rand.Rand) aim {
	soon := func(most time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(most))) }
	verb := pick(rng, "close", "close", "fsync", "rename", "rename", "unlink", "mkdir", "attr", "create", "write")
	many := map[string]int{"close": 30, "write": 60, "create": 20, "fsync": 25}[verb]
	a := aim{nth: 1 + rng.IntN(max(many, 12)), verb: verb}
	switch rng.IntN(8) {
	case 0, 1:
		a = aim{text: "at once", after: soon(pick(rng, 5*time.Millisecond, 100*time.Millisecond, time.Second, 2*time.Second))}
	case 2, 3, 4:
		a.text, a.after = "just after a "+verb, pick(rng, 0, 0, soon(2*time.Millisecond), soon(30*time.Millisecond), soon(200*time.Millisecond))
	case 5:
		a.text, a.amid, a.after = "amid a "+verb, true, soon(pick(rng, 3*time.Millisecond, 30*time.Millisecond))
	default:
		a = aim{request: pick(rng, requests...), nth: 1 + rng.IntN(12), after: pick(rng, 0, soon(10*time.Millisecond))}
		a.text = "at a request " + a.request
	}
	return a
}

func (a *aim) strike(w *world) {
	if a.after == 0 {
		w.strike()
		return
	}
	time.AfterFunc(a.after, w.round.strike) // another round's is nobody's business
}

// start is told when the workers begin.
func (a *aim) start(w *world) {
	if a.verb == "" && a.request == "" {
		a.strike(w)
	}
	if a.request != "" {
		w.rig.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
			changes := q.Method != "GET" && q.Method != "HEAD"
			if q.Op != a.request && !(a.request == "any" && changes) {
				return s3test.Fault{}
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if a.nth--; a.nth == 0 {
				a.strike(w)
			}
			return s3test.Fault{}
		})
	}
}

func (a *aim) begins(w *world, s *step) {
	if !a.amid || s.verb != a.verb {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.nth--; a.nth == 0 {
		a.strike(w)
	}
}

// returned is called with w.mu held.
func (a *aim) returned(w *world, s *step) {
	if a.amid || a.verb == "" || s.verb != a.verb && !(a.verb == "mkdir" && (s.verb == "symlink" || s.verb == "rmdir")) {
		return
	}
	if a.nth--; a.nth == 0 {
		a.strike(w)
	}
}

// disturbance is what becomes of the S3 server during a round.
type disturbance struct {
	freeze        bool
	after, length time.Duration
}

func newDisturbance(rng *rand.Rand) *disturbance {
	if rng.IntN(3) > 0 {
		return nil
	}
	return &disturbance{
		freeze: rng.IntN(2) == 0, after: time.Duration(rng.Int64N(int64(700 * time.Millisecond))),
		length: time.Duration(rng.Int64N(int64(500 * time.Millisecond))),
	}
}

// run kills the server and starts it again, or freezes it, over the kill if need be.
func (d *disturbance) run(w *world) {
	failed := w.b.attempt(func() {
		time.Sleep(d.after)
		if d.freeze {
			w.rig.S3.Signal(syscall.SIGSTOP)
			time.Sleep(d.length)
			w.rig.S3.Signal(syscall.SIGCONT)
			return
		}
		w.rig.S3.Stop()
		time.Sleep(d.length)
		w.rig.S3.Restart()
	})
	if failed != "" {
		w.b.Errorf("%s", strings.TrimSpace(failed))
	}
	w.say("S3 was %s for %v", map[bool]string{true: "frozen", false: "killed and gone"}[d.freeze], d.length)
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.freeze {
		w.counts.freezes++
	} else {
		w.counts.restarts++
	}
}

func (a *aim) String() string {
	return fmt.Sprintf("%s, %d, %v", a.text, a.nth, a.after)
}
