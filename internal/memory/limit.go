package memory

import (
	"os"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

const (
	// memoryLimit keeps the daemon's resident size below 200 MiB, stacks and
	// buffers included, as long as what it must remember is small; leastGOGC
	// collects early enough to stay near it.
	memoryLimit = 160 << 20
	leastGOGC   = 50
	// heapFloor is the heap, bytes, below which the collector does not run. With a few live
	// megabytes it would otherwise run for every few files.
	heapFloor = 40 << 20
	// memoryRoom is the least memory, bytes, that is left beside what is live.
	memoryRoom = 64 << 20
	// memoryWatch is how often the limit is adjusted to what is live.
	memoryWatch = time.Second
)

// Limit sets the collector's limits, unless the environment does ($GOMEMLIMIT,
// $GOGC). If what is live, as a tree of a hundred thousand files, needs more than
// memoryLimit, it raises the limit, since the collector would run without end below it.
// stop ends that.
func Limit() (stop func() error) {
	f := follower{percent: os.Getenv("GOGC") == "", limit: os.Getenv("GOMEMLIMIT") == ""}
	f.follow(heapFloor/8, 0)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		f.run(quit)
	}()
	return func() error {
		close(quit)
		<-done
		return nil
	}
}

// follower adjusts the collector's settings to what is live.
type follower struct {
	percent, limit bool // which of them to set
	lastPercent    int
	lastLimit      int64
}

func (f *follower) run(quit <-chan struct{}) {
	tick := time.NewTicker(memoryWatch)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
			f.follow(liveBytes(), overheadBytes())
		}
	}
}

func (f *follower) follow(live, overhead int64) {
	if p := percentFor(live); f.percent && p != f.lastPercent {
		f.lastPercent = p
		debug.SetGCPercent(p)
	}
	if l := limitFor(live + overhead); f.limit && l != f.lastLimit {
		f.lastLimit = l
		debug.SetMemoryLimit(l)
	}
}

// percentFor returns the percentage by which the heap may grow: to heapFloor, and beyond
// that by leastGOGC. It goes in steps, so that it changes seldom.
func percentFor(live int64) int {
	const step, most = 50, 800
	p := (heapFloor - live) * 100 / max(live, 1) / step * step
	return int(min(max(p, leastGOGC), most))
}

// liveBytes returns the heap that the last collection found in use, and the stacks.
func liveBytes() int64 { return sumOf("/gc/heap/live:bytes", "/memory/classes/heap/stacks:bytes") }

// overheadBytes returns what else counts against the limit: unused space between objects,
// and the runtime's own memory. Without it, with a hundred thousand files, the collector
// took two thirds of the time of "ls -l".
func overheadBytes() int64 {
	return sumOf(
		"/memory/classes/heap/unused:bytes", "/memory/classes/os-stacks:bytes", "/memory/classes/other:bytes",
		"/memory/classes/metadata/mcache/inuse:bytes", "/memory/classes/metadata/mcache/free:bytes",
		"/memory/classes/metadata/mspan/inuse:bytes", "/memory/classes/metadata/mspan/free:bytes",
		"/memory/classes/metadata/other:bytes", "/memory/classes/profiling/buckets:bytes",
	)
}

func sumOf(names ...string) int64 {
	s := make([]runtimemetrics.Sample, len(names))
	for i, name := range names {
		s[i].Name = name
	}
	runtimemetrics.Read(s)
	sum := int64(0)
	for _, m := range s {
		if m.Value.Kind() == runtimemetrics.KindUint64 {
			sum += int64(m.Value.Uint64())
		}
	}
	return sum
}

// limitFor returns the limit for live bytes and the overhead, in steps, so that it changes
// seldom.
func limitFor(live int64) int64 {
	const step = 16 << 20
	want := live + max(memoryRoom, live/4)
	return max(memoryLimit, (want+step-1)/step*step)
}
