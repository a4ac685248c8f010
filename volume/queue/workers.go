package queue

import "sync"

// workers run functions, in the order in which they were added, on a bounded number of
// goroutines that exist only while there is work.
type workers struct {
	mu      sync.Mutex
	queue   []func()
	running int
	most    int
	held    bool // nothing runs yet
	closed  bool
	wg      sync.WaitGroup
}

// newWorkers makes workers that run nothing before start.
func newWorkers(n int) *workers { return &workers{most: n, held: true} }

// start lets what is queued, and all that comes, run.
func (w *workers) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = false
	for range w.queue {
		w.growLocked()
	}
}

// growLocked adds a goroutine, if there may be one more.
func (w *workers) growLocked() {
	if !w.held && !w.closed && w.running < w.most {
		w.running++
		w.wg.Go(w.run)
	}
}

// add queues f; after close it is dropped. It never blocks.
func (w *workers) add(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.queue = append(w.queue, f)
	w.growLocked()
}

func (w *workers) run() {
	for {
		w.mu.Lock()
		if w.closed || len(w.queue) == 0 {
			w.running--
			w.mu.Unlock()
			return
		}
		f := w.queue[0]
		w.queue[0] = nil
		w.queue = w.queue[1:]
		w.mu.Unlock()
		f()
	}
}

// close drops what has not begun and waits for what has.
func (w *workers) close() {
	w.mu.Lock()
	w.closed = true
	w.queue = nil
	w.mu.Unlock()
	w.wg.Wait()
}
