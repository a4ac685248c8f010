package main

import (
	"os"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

const (
	// memoryLimit keeps the daemon's resident size below 200 MiB, stacks and
	// buffers included, as long as what it must remember is small; memoryGOGC
	// collects early enough to stay near it.
	memoryLimit = 160 << 20
	memoryGOGC  = 50
	// memoryRoom is what may come and go beside what is live, at least.
	memoryRoom = 64 << 20
	// memoryWatch is how often the limit follows what is live.
	memoryWatch = time.Second
)

// limitMemory sets what the environment ($GOMEMLIMIT, $GOGC) does not. A tree of
// a hundred thousand files that the kernel remembers takes more than memoryLimit:
// the limit moves up then, for below it the collector would run without end. stop
// waits until nothing follows it any more.
func limitMemory() (stop func() error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(memoryGOGC)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() error { return nil }
	}
	debug.SetMemoryLimit(memoryLimit)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		followLive(quit)
	}()
	return func() error {
		close(quit)
		<-done
		return nil
	}
}

func followLive(quit <-chan struct{}) {
	tick := time.NewTicker(memoryWatch)
	defer tick.Stop()
	last := int64(memoryLimit)
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		if limit := limitFor(liveBytes()); limit != last {
			last = limit
			debug.SetMemoryLimit(limit)
		}
	}
}

// liveBytes is the heap that the last collection found in use, and the stacks.
func liveBytes() int64 {
	s := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	runtimemetrics.Read(s)
	sum := int64(0)
	for _, m := range s {
		if m.Value.Kind() == runtimemetrics.KindUint64 {
			sum += int64(m.Value.Uint64())
		}
	}
	return sum
}

// limitFor is the limit that live bytes ask for, in steps, so that it rests.
func limitFor(live int64) int64 {
	const step = 16 << 20
	want := live + max(memoryRoom, live/4)
	return max(memoryLimit, (want+step-1)/step*step)
}
