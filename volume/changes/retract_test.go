package changes

import (
	"testing"

	"mcfs/volume/queue"
)

// TestRetract: what has not begun can come to nothing, or begin after all.
func TestRetract(t *testing.T) {
	for name, back := range map[string]bool{"cancelled": false, "reinstated": true} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				r.has("a")
				var before *queue.Job
				r.locked(func() { before = r.queue.AddLocked(nil, "a") })
				h := r.add(Change{Op: Rename, Path: "a", To: "b", Ver: version("a", 1)})
				r.locked(func() {
					if !r.runner.RetractLocked(h.c) {
						t.Error("not retracted")
					}
					r.queue.FinishLocked(before)
				})
				r.expectTries()
				if back {
					r.locked(func() { r.runner.ReinstateLocked(h.c) })
					r.expectNames("b")
				} else {
					r.must(r.spool.Journal().Update(h.c.Cancel))
					r.locked(func() { r.runner.CancelLocked(h.c) })
					r.expectNames("a")
				}
				r.expectNone()
				r.locked(func() {
					if r.ended != 1 || r.queue.BusyLocked("a") {
						t.Errorf("told %d times; busy: %t", r.ended, r.queue.BusyLocked("a"))
					}
				})
			})
		})
	}
}
