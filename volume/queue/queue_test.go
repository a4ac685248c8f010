package queue

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bench is a queue with its owner's lock, whose jobs note that they run.
type bench struct {
	sync.Mutex
	q   *Queue
	ran []string
}

func newBench(t *testing.T, most int) *bench {
	b := &bench{}
	b.q = New(b, most)
	b.q.Start()
	t.Cleanup(b.q.Close)
	return b
}

func (b *bench) add(name string, paths ...string) *Job {
	b.Lock()
	defer b.Unlock()
	return b.q.AddLocked(func() {
		b.Lock()
		defer b.Unlock()
		b.ran = append(b.ran, name)
	}, paths...)
}

func (b *bench) locked(f func()) {
	b.Lock()
	defer b.Unlock()
	f()
}

// expect waits until nothing moves, and compares what has run since the last call.
func (b *bench) expect(t *testing.T, names ...string) {
	t.Helper()
	synctest.Wait()
	b.Lock()
	defer b.Unlock()
	slices.Sort(b.ran)
	if !slices.Equal(b.ran, names) {
		t.Errorf("ran %q, want %q", b.ran, names)
	}
	b.ran = nil
}

// TestTurns: a colliding job runs once those before it are finished, another one at once.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4)
		first := b.add("folder", "d/")
		second := b.add("file", "d/a")
		b.add("elsewhere", "e")
		held := b.hold("f")
		third := b.add("rename", "d/a", "f")
		b.expect(t, "elsewhere", "folder")
		b.locked(func() {
			if !first.KeepsBackLocked(third) || third.KeepsBackLocked(first) || !slices.Equal(first.BlockedLocked(), []*Job{second, third}) || !third.WaitsLocked() {
				t.Error("who waits for whom is not known")
			}
			b.q.FinishLocked(first)
			b.q.FinishLocked(first) // is nothing more
		})
		b.expect(t, "file")
		b.locked(func() { b.q.FinishLocked(second) })
		b.expect(t)
		b.locked(func() { b.q.FinishLocked(held) })
		b.expect(t, "rename")
	})
}

// hold keeps others back from a path.
func (b *bench) hold(path string) *Job {
	b.Lock()
	defer b.Unlock()
	return b.q.AddLocked(nil, path)
}

// TestAgain: a job runs again, at once or after a while, until it is finished.
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		j := b.add("a", "a")
		b.expect(t, "a")
		b.locked(func() { b.q.AgainLocked(j, 0) })
		b.expect(t, "a")
		b.locked(func() { b.q.AgainLocked(j, time.Minute) })
		b.add("b", "b")
		b.expect(t, "b") // the wait takes no worker
		time.Sleep(time.Minute)
		b.expect(t, "a")
		b.locked(func() {
			b.q.AgainLocked(j, time.Minute)
			b.q.FinishLocked(j)
			b.q.AgainLocked(j, 0)
		})
		time.Sleep(time.Hour)
		b.expect(t)
	})
}

// TestRetract: what has not begun can be kept from beginning, and be let go again.
func TestRetract(t *testing.T) {
	for _, c := range []struct {
		name             string
		turn, reinstated bool // its turn comes while it is retracted; it is let go again
	}{
		{"for good", true, false}, {"before its turn", false, true}, {"over its turn", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1)
				first := b.hold("a")
				j := b.add("a", "a")
				b.locked(func() {
					if !j.RetractLocked() || j.RetractLocked() || j.BegunLocked() {
						t.Error("not retracted once")
					}
					if c.turn {
						b.q.FinishLocked(first)
					}
				})
				b.expect(t)
				if c.reinstated {
					b.locked(func() { b.q.ReinstateLocked(j) })
				}
				if !c.turn {
					b.expect(t)
					b.locked(func() { b.q.FinishLocked(first) })
				}
				if !c.reinstated {
					b.expect(t)
					return
				}
				b.expect(t, "a")
				b.locked(func() {
					if j.RetractLocked() || !j.BegunLocked() {
						t.Error("what has begun was retracted")
					}
				})
			})
		})
	}
}

// TestWorkers: no more run at once than may, nothing before Start, nothing after Close.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var owner sync.Mutex
		var now, peak, ran atomic.Int64
		q := New(&owner, 3)
		work := func() {
			peak.Store(max(peak.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			ran.Add(1)
		}
		for range 10 {
			q.Run(work)
		}
		q.RunAfter(time.Second, work)
		time.Sleep(2 * time.Second)
		if ran.Load() != 0 {
			t.Errorf("%d ran before the start", ran.Load())
		}
		q.Start()
		time.Sleep(time.Minute)
		if ran.Load() != 11 || peak.Load() != 3 {
			t.Errorf("%d ran, %d at once", ran.Load(), peak.Load())
		}
		for range 4 {
			q.Run(work)
		}
		synctest.Wait()
		q.Close() // waits for three, and drops the fourth
		q.Run(work)
		q.RunAfter(0, work)
		time.Sleep(time.Minute)
		if ran.Load() != 14 {
			t.Errorf("%d ran", ran.Load())
		}
	})
}

// TestManyWait: 20,000 jobs under one folder are queued and finished in no time.
func TestManyWait(t *testing.T) {
	var owner sync.Mutex
	q := New(&owner, 1)
	owner.Lock()
	defer owner.Unlock()
	first := q.AddLocked(nil, "d/")
	var list []*Job
	for i := range 20_000 {
		list = append(list, q.AddLocked(nil, "d/"+strings.Repeat("x", i%200)+string(rune('a'+i/200))))
	}
	begun := time.Now()
	q.FinishLocked(first)
	for _, j := range list {
		q.FinishLocked(j)
	}
	if took := time.Since(begun); took > 5*time.Second || q.BusyLocked("d") {
		t.Errorf("it took %v", took)
	}
}
