package tasks

import "sync"

// Group are the goroutines that its owner waits for at its end. The zero Group is ready.
type Group struct {
	mu    sync.Mutex
	ended bool
	wg    sync.WaitGroup
}

// Begin runs f in a goroutine, and reports whether it does: not once End was called. It does
// not wait, and may be called with locks held.
func (g *Group) Begin(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ended {
		g.wg.Go(f)
	}
	return !g.ended
}

// End refuses what is to come, and waits for all that runs.
func (g *Group) End() {
	g.mu.Lock()
	g.ended = true
	g.mu.Unlock()
	g.wg.Wait()
}
