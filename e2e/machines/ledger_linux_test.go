package machines

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// event is one step of a schedule.
type event struct {
	tag   string // unique; of the version that it makes, too
	what  string
	name  string
	makes []byte // the content that it saves
	seen  string // the version that it replaces or removes, or has read
	newer bool   // not that one but a newer one, which the machine came to know in between
	based bool   // what it saves holds what was there before
	torn  bool   // a write failed
	err   error
	began time.Duration // before its first call
	at    time.Duration // when it ended
}

// ledger knows all that was ever saved, and what became of it.
type ledger struct {
	mu     sync.Mutex
	begun  time.Time
	made   map[string][]byte        // content by version
	starts map[string]time.Duration // of steps, by tag
	events []event
}

// begin notes that a step begins.
func (l *ledger) begin(tag string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starts[tag] = time.Since(l.begun)
}

// making announces a version before the first byte of it is written.
func (l *ledger) making(version string, text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made[version] = text
}

func (l *ledger) note(e event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.began, e.at = l.starts[e.tag], time.Since(l.begun)
	l.events = append(l.events, e)
}

// versionOf finds the version that a content is: the tag of its last segment
// names it, and every byte must be right.
func (l *ledger) versionOf(text []byte) (version string, whole bool) {
	for rest := text; len(rest) > 0; {
		head, body, ok := bytes.Cut(rest, []byte("\n"))
		var size int
		if _, err := fmt.Sscanf(string(head), "%s %d", &version, &size); !ok || err != nil || size > len(body) {
			return "", false
		}
		rest = body[size:]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return version, version != "" && bytes.Equal(l.made[version], text)
}

// judge mounts anew and holds what is there against what was saved.
func (l *ledger) judge(t *testing.T, r *rig.Rig, all []*machine) {
	t.Helper()
	trees := make([]map[string]string, len(all))
	for i, m := range all {
		again := &machine{m.Again(), t}
		again.do("read all", func() error { trees[i] = again.tree(); return nil })
		again.Unmount()
	}
	for i := range trees[1:] {
		if !maps.Equal(trees[0], trees[i+1]) {
			t.Errorf("machines 0 and %d do not agree: %s; %s", i+1, brief(trees[0]), brief(trees[i+1]))
		}
	}
	alive := make(map[string][]string)
	sums := r.ProofWithCopies() // every sidecar decrypts its object; each save's content is its own
	for name, sum := range sums {
		version := l.bySum(sum)
		if version == "" {
			t.Errorf("%s holds what nobody saved", name)
		}
		alive[version] = append(alive[version], name)
	}
	keys := r.Keys()
	for _, key := range keys {
		if !strings.HasSuffix(key, "/") && !strings.HasSuffix(key, rig.SidecarSuffix) && !slices.Contains(keys, key+rig.SidecarSuffix) {
			t.Errorf("%s has no sidecar", key)
		}
	}
	if left := r.Uploads(); len(left) > 0 {
		t.Errorf("unfinished uploads: %q", left)
	}
	l.findLost(t, alive)
	if t.Failed() {
		t.Logf("in the bucket, by version: %v", alive)
		for _, q := range r.S3.Proxy.Requests() {
			if q.Method != "GET" && q.Method != "HEAD" {
				t.Logf("%v %s %s %d (%v; %q)", q.Start.Sub(l.begun).Round(time.Millisecond), q.Op, q.Path, q.Status, q.Took.Round(time.Millisecond), q.Header.Get("X-Amz-Copy-Source"))
			}
		}
	}
}

func (l *ledger) bySum(sum string) string {
	for version, text := range l.made {
		if digest(string(text)) == sum {
			return version
		}
	}
	return ""
}

// findLost demands of every version that a save made, and said so, that it is
// alive, or was replaced or removed by one who had seen it.
func (l *ledger) findLost(t *testing.T, alive map[string][]string) {
	for _, e := range l.events {
		switch {
		case e.err != nil && !expected(e):
			t.Errorf("%s: %s %s: %v", e.tag, e.what, e.name, e.err)
		case e.makes == nil:
		case e.err != nil && (e.torn || e.based): // it failed, and what it needs is gone
		case !l.accounted(e, alive):
			t.Errorf("lost update: %s (%s %s, ended at %v with %v) is neither there nor was it replaced by one who had seen it",
				e.tag, e.what, e.name, e.at.Round(time.Millisecond), e.err)
		}
	}
}

// accounted says what became of a version: it is there, or somebody who had seen
// it replaced or removed it. One who took a newer version away than he had read
// accounts for what was saved under that name, or moved there, before he ended: its
// object can be seen before the close that saves it has returned.
// One who was told of a conflict (ESTALE) had replaced, in the draft that both
// were, what his own machine had just saved; then his version must be accounted for.
func (l *ledger) accounted(e event, alive map[string][]string) bool {
	if len(alive[e.tag]) > 0 {
		return true
	}
	for _, x := range l.events {
		switch {
		case x.what == "read" || x.what == "chmod":
		case x.err == nil && x.seen == e.tag && !x.newer:
			return true
		case x.err == nil && x.newer && x.at > e.began && (x.name == e.name || l.moved(e)):
			return true
		case errors.Is(x.err, syscall.ESTALE) && x.seen == e.tag && x.makes != nil && x.tag[:2] == e.tag[:2] && l.accounted(x, alive):
			return true
		}
	}
	return false
}

// moved says whether a rename may have taken the version to another name.
func (l *ledger) moved(e event) bool {
	for _, x := range l.events {
		if strings.HasPrefix(x.what, "rename "+e.name+" to") && x.err == nil && x.at > e.at {
			return true
		}
	}
	return false
}

// expected are the outcomes that other machines explain.
func expected(e event) bool {
	for _, errno := range []syscall.Errno{syscall.ESTALE, syscall.ENOENT, syscall.EEXIST} {
		if errors.Is(e.err, errno) {
			return true
		}
	}
	return false
}

// text is the whole schedule, for who has to understand it.
func (l *ledger) text() string {
	var b strings.Builder
	for _, e := range l.events {
		fmt.Fprintf(&b, "%9v %s %s %s seen=%q newer=%v %v\n", e.at.Round(time.Millisecond), e.tag, e.what, e.name, e.seen, e.newer, e.err)
	}
	return b.String()
}

func (l *ledger) summary() string {
	saved, stale, newer := 0, 0, 0
	for _, e := range l.events {
		if e.makes != nil && e.err == nil {
			saved++
		}
		if errors.Is(e.err, syscall.ESTALE) {
			stale++
		}
		if e.newer {
			newer++
		}
	}
	return fmt.Sprintf("%d steps, %d saves, %d times ESTALE, %d times a newer version than was read, %v",
		len(l.events), saved, stale, newer, time.Since(l.begun).Round(time.Second))
}
