//go:build pprof

package main

import (
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

// A build with the tag pprof writes profiles into $MCFS_PROFILES: SIGUSR1 begins
// one of the CPU, SIGUSR2 ends it and adds the heap. No profile holds contents of memory.
func init() {
	dir := os.Getenv("MCFS_PROFILES")
	if dir == "" {
		return
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		var cpu *os.File
		for s := range signals {
			if s == syscall.SIGUSR1 {
				if f, err := os.Create(dir + "/cpu.pprof"); err == nil && pprof.StartCPUProfile(f) == nil {
					cpu = f
				}
				continue
			}
			pprof.StopCPUProfile()
			cpu.Close()
			if f, err := os.Create(dir + "/heap.pprof"); err == nil {
				pprof.WriteHeapProfile(f)
				f.Close()
			}
		}
	}()
}
