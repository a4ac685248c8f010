package main

import (
	"os"
	"syscall"
	"testing"
)

// TestSignalCountsOnce: a signal that comes during the start ends it, and is not taken for a
// second one, which would cut the drain short.
func TestSignalCountsOnce(t *testing.T) {
	signals := make(chan os.Signal, 4)
	signals <- syscall.SIGTERM
	cancelled := make(chan struct{})
	first := firstSignal(signals, func() { close(cancelled) }, func() { <-cancelled })
	if first != syscall.SIGTERM || len(signals) != 0 {
		t.Errorf("the first signal is %v, and %d are left", first, len(signals))
	}
	if first := firstSignal(signals, func() { t.Error("cancelled") }, func() {}); first != nil {
		t.Errorf("without a signal the first is %v", first)
	}
}

// TestSecondSignalStaysForTheDrain: what comes after the first is left to who waits for the end.
func TestSecondSignalStaysForTheDrain(t *testing.T) {
	signals := make(chan os.Signal, 4)
	cancelled := make(chan struct{})
	firstSignal(signals, func() { close(cancelled) }, func() {
		signals <- syscall.SIGINT
		<-cancelled
		signals <- syscall.SIGTERM
	})
	if s := <-signals; s != syscall.SIGTERM {
		t.Errorf("what is left is %v", s)
	}
}
