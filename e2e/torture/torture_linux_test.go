package torture

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	killsByDefault = 6
	killsPerWorld  = 16
	enough         = 3 // worlds that failed: what else there is to find may be the same
)

func number(variable string, standard int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return standard
}

// TestTorture kills as often as MCFS_TORTURE says, beginning with the seed
// MCFS_SEED; each seed is a world with a bucket of its own.
func TestTorture(t *testing.T) {
	kills, seed := number("MCFS_TORTURE", killsByDefault), number("MCFS_SEED", 0)
	if seed == 0 {
		seed = int(time.Now().Unix() % 1e6 * 1000)
	}
	total, began, failed := counts{aims: map[string]int{}}, time.Now(), 0
	for ; total.kills < kills && failed < enough; seed++ {
		ok := t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			defer recoverTrouble()
			w := newWorld(t, uint64(seed))
			defer func() { total.add(w.counts) }()
			for round := 1; w.counts.kills < min(killsPerWorld, kills-total.kills); round++ {
				w.once(round)
			}
			w.lastLook()
		})
		if !ok {
			failed++
		}
	}
	took := time.Since(began)
	fmt.Printf("torture: %v in %v, %.1f s a kill\n", &total, took.Round(time.Second), took.Seconds()/float64(max(total.kills, 1)))
	for _, aim := range slices.Sorted(maps.Keys(total.aims)) {
		fmt.Printf("torture: %4d times %s\n", total.aims[aim], aim)
	}
}

func (c *counts) add(d counts) {
	c.kills += d.kills
	c.refused += d.refused
	c.lost += d.lost
	c.calls += d.calls
	c.promises += d.promises
	c.compared += d.compared
	c.happened += d.happened
	c.not += d.not
	c.restarts += d.restarts
	c.freezes += d.freezes
	c.objects += d.objects
	c.interrupted += d.interrupted
	for aim, n := range d.aims {
		c.aims[aim] += n
	}
}

func (c *counts) String() string {
	return fmt.Sprintf("%d kills over %d calls that made %d promises; %d names compared in mounts and %d in buckets; of the renames under way %d had happened and %d not; %d interrupted drafts; %d calls refused by a full spool, and %d files lost that nobody was promised; S3 restarted %d times and frozen %d times",
		c.kills, c.calls, c.promises, c.compared, c.objects, c.happened, c.not, c.interrupted, c.refused, c.lost, c.restarts, c.freezes)
}

// recoverTrouble ends a world that failed, which the bench tells.
func recoverTrouble() {
	if p := recover(); p != nil {
		if _, ok := p.(trouble); !ok {
			panic(p)
		}
	}
}

// once works, kills, mounts again and looks.
func (w *world) once(number int) {
	a := newAim(w.rng)
	w.round = &round{pid: w.mount.PID(), struck: make(chan struct{}), aim: a}
	w.large = w.rng.IntN(3) / 2
	if w.small != nil {
		w.large = 1 + w.rng.IntN(3)
	}
	w.say("round %d begins; the kill comes %v", number, &a)
	d := newDisturbance(w.rng)
	late := w.rng.IntN(3) == 0 // the next mount does not wait for the end of it
	over := w.work(number, d)
	w.counts.aims[a.text]++
	w.copySpool()
	if !late {
		over.Wait()
		if w.rng.IntN(2) == 0 {
			w.truth()
		}
	}
	w.again()
	over.Wait()
	w.after()
}

// work lets the workers work until the kill, and everything come to its end. What
// becomes of S3 meanwhile may go on.
func (w *world) work(number int, d *disturbance) (over *sync.WaitGroup) {
	over = new(sync.WaitGroup)
	if d != nil {
		over.Go(func() { d.run(w) })
	}
	var wg sync.WaitGroup
	players := make([]*player, workers)
	for i := range players {
		players[i] = newPlayer(w, i, number)
		wg.Go(players[i].work)
	}
	w.aim.start(w)
	select {
	case <-w.struck:
	case <-time.After(patience):
		w.strike()
	}
	w.mount.Kill()
	w.rig.S3.Proxy.Hook(nil)
	w.say("killed")
	w.mount.Within(limit, "the end of the calls under way", func() error { wg.Wait(); return nil })
	for _, p := range players {
		p.closeAll()
	}
	w.claims = nil
	w.counts.kills++
	if w.b.Failed() {
		w.fail("before the kill", &broken{})
	}
	return over
}

// copySpool keeps the spool as the kill has left it, for who has to look at it.
func (w *world) copySpool() {
	w.atKill = filepath.Join(w.rig.Dir, "spool-at-kill")
	if err := os.RemoveAll(w.atKill); err != nil {
		w.b.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", w.mount.Spool, w.atKill).CombinedOutput(); err != nil {
		w.b.Fatalf("%v: %s", err, out)
	}
}

// again mounts with the same spool, after some daemons perhaps that are killed
// while they recover.
func (w *world) again() {
	w.alarms(w.mount)
	w.mount.Bury()
	for w.rng.IntN(4) == 0 {
		w.mount = w.mount.AgainUntil(time.Duration(w.rng.Int64N(int64(400 * time.Millisecond))))
		w.say("killed again while it recovered")
		w.counts.kills++
		w.alarms(w.mount)
		w.mount.Bury()
	}
	w.mount = w.mount.Again()
	w.mount.Expect(w.expectation())
	w.say("mounted again")
}

// after demands everything that was promised.
func (w *world) after() {
	w.doubt()
	s := w.show()
	w.settleNames(s)
	w.demand("right after the mount", s)
	w.removeLost(s)
	interrupted := w.sync()
	w.counts.interrupted += len(interrupted)
	s = w.show()
	w.demand("after mcfs sync", s)
	s.adopt("", w.root)
	for _, n := range w.root.all(isFile) {
		w.mayHold(n.content.now())
	}
	if len(interrupted) > 0 && w.rng.IntN(3) > 0 {
		w.commit(interrupted)
		interrupted = nil
	}
	w.bucket(interrupted)
	w.alarms(w.mount)
}
