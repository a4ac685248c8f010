package fs

import (
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"mcfs/volume"
)

func TestNotifierTellsOnceAndNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := new(volume.Node)
		var mu sync.Mutex
		told := make(map[string]int)
		kernel := make(chan struct{}) // the directory's lock
		n := newNotifier(slog.New(slog.DiscardHandler), func(d *volume.Node, name string) syscall.Errno {
			<-kernel
			mu.Lock()
			defer mu.Unlock()
			if d != dir {
				t.Errorf("another directory")
			}
			told[name]++
			return syscall.ENOENT
		})
		n.changed(dir, "first")
		synctest.Wait() // told of "first", and waiting in the kernel
		for range 3 {
			n.changed(dir, "a")
			n.changed(dir, "b")
		}
		for i := range 2 * maxNews {
			n.changed(dir, fmt.Sprint(i))
		}
		if len(n.queue) != maxNews {
			t.Errorf("%d queued, want %d", len(n.queue), maxNews)
		}
		close(kernel)
		synctest.Wait()
		if len(told) != 1+maxNews || told["a"] != 1 || told["b"] != 1 {
			t.Errorf("told %d entries, a %d times, b %d times", len(told), told["a"], told["b"])
		}
		n.changed(dir, "a")
		synctest.Wait()
		if told["a"] != 2 {
			t.Errorf("a changed again, told %d times", told["a"])
		}
		n.close()
		n.changed(dir, "late")
		if told["late"] != 0 || len(n.queue) != 0 {
			t.Error("news after the end")
		}
	})
}
