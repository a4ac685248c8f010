package watches

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"mcfs/config"
	"mcfs/internal/hotfolder"
	"mcfs/mediaconvert/mediaconverttest"
	"mcfs/volume/event"
)

// commit saves a file, and has the mount tell of it.
func (r *rig) commit(name string, version byte) {
	r.t.Helper()
	r.save(name, version)
	r.o.Feed.Observe(event.Event{Kind: event.Commit, Path: name, Settings: true, IV: []byte{version}})
}

// TestSettle: what was saved before has its job afterwards, which still runs. A hot folder that
// cannot be watched is not waited for.
func TestSettle(t *testing.T) {
	r := newRig(t, config.Watch{Path: "day"}, config.Watch{Path: "broken"})
	r.o.Config.Watch[1].Template = filepath.Join(t.TempDir(), "missing.json")
	r.commit("day/a.mov", 1)
	for range 3 {
		r.convert.ScriptNext(mediaconverttest.Script{Hold: true})
	}
	w := Start(r.o)
	defer w.Close()
	for i, name := range []string{"day/b.mov", "day/c.mov"} {
		r.commit(name, byte(i+2))
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(r.convert.Jobs()); n != i+2 {
			t.Fatalf("%d jobs after %s", n, name)
		}
	}
	if s := w.Status()[0]; s.Running != 3 {
		t.Errorf("%+v", s)
	}
}

// TestSettleInVain: who would have to wait for the end of a job is told so.
func TestSettleInVain(t *testing.T) {
	r := newRig(t, config.Watch{Path: "day"})
	r.o.Config.Watch[0].MaxJobs = 1
	r.convert.ScriptNext(mediaconverttest.Script{Hold: true})
	r.save("day/a.mov", 1)
	w := Start(r.o)
	defer w.Close()
	r.await("as many jobs as may be", func() bool { return w.Status()[0].Running == 1 })
	r.commit("day/b.mov", 2)
	if err := w.Settle(t.Context()); !errors.Is(err, hotfolder.ErrFull) || !strings.Contains(err.Error(), "day") {
		t.Errorf("%v", err)
	}
}

// TestSettleHurried: the wait ends with its context.
func TestSettleHurried(t *testing.T) {
	r := newRig(t, config.Watch{})
	w := Start(r.o)
	defer w.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("a second signal")
	cancel(why)
	if err := w.Settle(ctx); err != nil && !errors.Is(err, why) {
		t.Error(err)
	}
	if w.all[0].progress.await(ctx, 1<<60) {
		t.Error("what will never be told has been heard")
	}
}
