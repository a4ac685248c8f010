package volume

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"mcfs/crypt"
)

// TestEvictions does what TestEvictionScripts does with scripts that are made up.
// MCFS_EVICTIONS is how many, MCFS_EVICTION the first one: without them the same few in
// each run, for each takes seconds with the race detector. One that fails is printed,
// made shorter; in testdata/evictions it becomes a test.
func TestEvictions(t *testing.T) {
	first, count := number(t, "MCFS_EVICTION", 1), number(t, "MCFS_EVICTIONS", 32)
	const hands = 4
	for hand := range uint64(hands) {
		t.Run(fmt.Sprintf("hand %d", hand), func(t *testing.T) {
			t.Parallel()
			for seed := first + hand; seed < first+count && !t.Failed(); seed += hands {
				s := drawEvictions(seed)
				if f := s.run(t); f != nil {
					s, f = s.shorten(t, f, 30*time.Second)
					t.Errorf("seed %d: %v\n%v\n%s", seed, f.err, &s, f.log)
				}
			}
		})
	}
}

// drawEvictions makes a script up.
func drawEvictions(seed uint64) evictionScript {
	r := rand.New(rand.NewPCG(seed, 14))
	s := evictionScript{
		mode: modes[r.IntN(len(modes))], durable: r.IntN(2) == 0,
		part: pickOf[int64](r, 32, 64, 64, 96, 128) << 10, spool: pickOf[int64](r, 1024, 1024, 1536, 2048) << 10,
	}
	d := evictionDrawer{r: r, s: &s}
	for verb, weight := range evictionWeights {
		d.deck = append(d.deck, slices.Repeat([]string{verb}, weight)...)
	}
	slices.Sort(d.deck)
	for range 6 + r.IntN(25) {
		s.steps = append(s.steps, d.step())
	}
	return s
}

// evictionDrawer draws steps that mostly fit: it knows roughly what is open, and there.
type evictionDrawer struct {
	r     *rand.Rand
	s     *evictionScript
	deck  []string
	open  [3]bool
	there [6]bool
}

func (d *evictionDrawer) step() evictionStep {
	r, s := d.r, d.s
	o := evictionStep{verb: pickOf(r, d.deck...), a: r.IntN(len(d.there)), b: d.name(), off: r.Int64N(s.spool * 3 / 2)}
	switch o.verb {
	case "rename", "swap", "unlink":
		o.a = d.name()
		d.there[o.b] = d.there[o.b] || o.verb == "rename"
	case "write", "fill", "read", "cut", "punch", "fsync", "close", "slay", "leave":
		if o.a = r.IntN(len(d.open)); !d.open[o.a] {
			o.verb = pickOf(r, "open", "empty", "empty")
		}
	}
	switch o.verb {
	case "open", "empty":
		o.a %= len(d.open)
		d.open[o.a], d.there[o.b] = true, true
	case "close", "slay", "leave":
		d.open[o.a] = false
	case "crash", "restart":
		d.open = [3]bool{}
	}
	switch {
	case r.IntN(3) == 0:
		o.off -= o.off % pickOf(r, int64(crypt.BlockSize), s.part)
	case r.IntN(3) == 0:
		o.off = 0
	}
	o.len = 1 + pickOf(r, r.Int64N(100), r.Int64N(s.part), r.Int64N(4*s.part), r.Int64N(s.spool))
	if o.verb == "fill" && r.IntN(3) > 0 {
		o.len = s.spool/4 + r.Int64N(s.spool)
	}
	return o
}

// name is that of a file which is there, mostly.
func (d *evictionDrawer) name() int {
	for range 3 {
		if i := d.r.IntN(len(d.there)); d.there[i] {
			return i
		}
	}
	return d.r.IntN(len(d.there))
}

func pickOf[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// evictionWeights says how often each verb is drawn.
var evictionWeights = map[string]int{
	"open": 3, "empty": 5, "write": 9, "fill": 20, "read": 6, "cut": 5, "punch": 2, "fsync": 5, "close": 9, "slay": 3, "leave": 4,
	"rename": 6, "swap": 3, "movedir": 3, "unlink": 3, "weather": 8, "crash": 3, "restart": 1, "sync": 3, "look": 5,
}

// shorten leaves out what it can without losing the failure.
func (s evictionScript) shorten(t *testing.T, f *evictionFailure, limit time.Duration) (evictionScript, *evictionFailure) {
	deadline := time.Now().Add(limit)
	for size := (len(s.steps) + 1) / 2; size >= 1 && time.Now().Before(deadline); {
		shorter := false
		for at := 0; at < len(s.steps) && time.Now().Before(deadline); {
			without := s
			without.steps = slices.Delete(slices.Clone(s.steps), at, min(at+size, len(s.steps)))
			if g := without.run(t); g != nil {
				s, f, shorter = without, g, true
			} else {
				at += size
			}
		}
		if size == 1 && !shorter {
			break
		}
		size = max(1, size/2)
	}
	return s, f
}
