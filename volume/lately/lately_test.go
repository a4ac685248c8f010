package lately

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestMap: the last thing counts until its time is over or it is forgotten, and what is
// over does not pile up.
func TestMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Map[int, string]
		expect := func(when, want string, recent bool) {
			t.Helper()
			if v, r := m.Get(0); v != want || r != recent {
				t.Errorf("%s: %q, %v", when, v, r)
			}
		}
		expect("empty", "", false)
		m.Note(0, "first", time.Second)
		m.Note(0, "second", time.Second)
		time.Sleep(time.Second - time.Nanosecond)
		expect("in time", "second", true)
		time.Sleep(time.Nanosecond)
		expect("over", "second", false)
		if m.Forget(0) {
			t.Error("what is over was forgotten as recent")
		}
		expect("forgotten", "", false)
		m.Note(0, "third", time.Second)
		if !m.Forget(0) || m.Forget(0) {
			t.Error("what is recent was not forgotten, once")
		}
		for i := range 10 * fewest {
			m.Note(i, "", time.Second)
			time.Sleep(time.Second / fewest)
		}
		if n := len(m.all); n > 3*fewest {
			t.Errorf("%d are kept", n)
		}
	})
}
