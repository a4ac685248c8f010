package tasks

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestGroup(t *testing.T) {
	var g Group
	var ran atomic.Int32
	for range 10 {
		if !g.Begin(func() { ran.Add(1) }) {
			t.Error("refused before the end")
		}
	}
	g.End()
	if n := ran.Load(); n != 10 {
		t.Errorf("the end has waited for %d of 10", n)
	}
	if g.Begin(func() { t.Error("runs after the end") }) {
		t.Error("begun after the end")
	}
}

// TestBeginDuringEnd: who begins while the owner ends is waited for, or refused.
func TestBeginDuringEnd(t *testing.T) {
	for range 100 {
		var g Group
		var running atomic.Int32
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for g.Begin(func() { running.Add(1); running.Add(-1) }) {
				}
			})
		}
		g.End()
		if n := running.Load(); n != 0 {
			t.Fatalf("%d run after the end", n)
		}
		callers.Wait()
	}
}
