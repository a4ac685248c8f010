package volume

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"mcfs/crypt"
)

// TestKillOnTheWayToTheTrash: at each request, in both directions, of a film and of a
// directory, with attributes that were just set.
func TestKillOnTheWayToTheTrash(t *testing.T) {
	for name, way := range map[string][2]string{"there": {"", inTrash}, "back": {inTrash, ""}, "within": {inTrash, inTrash + "2/"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := 0; ; at++ {
				killed := false
				synctest.Test(t, func(t *testing.T) { killed = killOnTheWay(t, way[0], way[1], at) })
				if killed {
					continue
				}
				if at < 10 {
					t.Errorf("it took only %d requests", at)
				}
				return
			}
		})
	}
}

// killOnTheWay kills at one request of the moves; false: there are not so many.
func killOnTheWay(t *testing.T, from, to string, at int) (killed bool) {
	r, f := filled(t, crypt.CTR)
	r.mkdir(".Trash-0/files/2")
	r.save("d/c", []byte("c"))
	r.dress("d/c", 0o640, someDay)
	r.sync()
	if from != "" {
		r.mustRename("a", from+"a", 0)
		r.mustRename("d", from+"d", 0)
		r.sync()
	}
	r.dressed(from+"a", 0o640, someDay) // and so it is known what is to be had of them
	r.dressed(from+"d/b", 0o640, someDay)
	var left atomic.Int64
	left.Store(int64(at))
	f.set(func(op, key string) error {
		if left.Add(-1) < 0 {
			return errDown
		}
		return nil
	})
	r.dress(from+"d/b", 0o600, laterDay)
	r.mustRename(from+"a", to+"a", 0)
	r.mustRename(from+"d", to+"d", 0)
	r.await(func(s Status) bool { return left.Load() < 0 || len(s.Changes) == 0 })
	killed = left.Load() < 0
	r.crash(f, "after")
	f.set(nil)
	r.sync()
	for _, next := range []string{"cold", ""} {
		r.dressed(to+"a", 0o640, someDay)
		r.dressed(to+"d/c", 0o640, someDay)
		r.dressed(to+"d/b", 0o600, laterDay)
		r.holds("after the kill", map[string]string{to + "a": "film", to + "d/b": "b", to + "d/c": "c"})
		r.truthful()
		if next != "" {
			r.close()
			r.open(next)
		}
	}
	if to == "" {
		r.sidecarsAre("a.settings.json", "d/b.settings.json", "d/c.settings.json")
	}
	return killed
}
