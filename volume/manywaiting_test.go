package volume

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

const (
	manyWaiting     = 400 // more than descriptors
	fewDescriptors  = 256
	inFewDescriptor = "MCFS_TEST_FEW_DESCRIPTORS"
)

// TestManyDraftsWait saves more files than the process may have open while the store is
// away. Each is safe in the spool, and costs no descriptor and no goroutine; what an
// earlier mount left, too; and all arrive once the store is back.
func TestManyDraftsWait(t *testing.T) {
	if os.Getenv(inFewDescriptor) == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestManyDraftsWait$", "-test.v")
		child.Env = append(os.Environ(), inFewDescriptor+"=1")
		if out, err := child.CombinedOutput(); err != nil {
			t.Errorf("with %d descriptors: %v\n%s", fewDescriptors, err, out[max(0, len(out)-4000):])
		}
		return
	}
	limit := syscall.Rlimit{Cur: fewDescriptors, Max: fewDescriptors}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.Log = slog.New(slog.DiscardHandler)
	r.o.CloseTimeout = 100 * time.Millisecond
	r.open("spool-many")
	f.set(down)
	t.Cleanup(func() { f.set(nil) }) // before the rig closes
	goroutines, memory := runtime.NumGoroutine(), heap()
	if failed := r.saveMany(manyWaiting); failed < manyWaiting {
		t.Fatalf("only %d closes failed though the store is away", failed)
	}
	if got := len(r.v.Pending()); got != manyWaiting {
		t.Fatalf("%d wait, want %d", got, manyWaiting)
	}
	if got := runtime.NumGoroutine() - goroutines; got > 2*maxWorkers {
		t.Errorf("%d goroutines more for %d waiting drafts", got, manyWaiting)
	}
	if got := (heap() - memory) / manyWaiting; got > 64<<10 {
		t.Errorf("%d bytes of memory for each waiting draft", got)
	}
	t.Logf("%d bytes of memory for each waiting draft", (heap()-memory)/manyWaiting)
	r.crash(f, "after")
	if got := len(r.v.Pending()); got != manyWaiting {
		t.Fatalf("%d wait after a kill, want %d", got, manyWaiting)
	}
	f.set(nil)
	r.sync()
	r.cold()
	for i := 0; i < manyWaiting; i += 97 {
		if name := fmt.Sprint(i); !bytes.Equal(r.load(name), contentOf(i)) {
			t.Errorf("%s is not what was saved", name)
		}
	}
}

// saveMany saves n files, many at once, and counts the closes that fail with EIO.
func (r *rig) saveMany(n int) int {
	var failed, next atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := r.trySave(int(i)); err != nil && errors.Is(err, store.ErrUnavailable) {
					failed.Add(1)
				} else if err != nil {
					r.t.Errorf("save %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
	return int(failed.Load())
}

func (r *rig) trySave(i int) error {
	_, h, err := r.v.Root().Create(r.t.Context(), fmt.Sprint(i), os.O_CREATE|os.O_RDWR, 0o644, 1, 2, nil)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	defer h.Release()
	if _, err := h.WriteAt(r.t.Context(), contentOf(i), 0); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return h.Flush(r.t.Context(), nil)
}

func contentOf(i int) []byte { return bytes.Repeat([]byte(fmt.Sprint(i, " ")), 100+i%50) }

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
