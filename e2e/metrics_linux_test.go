package e2e

import (
	"os"
	"testing"

	"mcfs/e2e/rig"
)

// TestMetrics: Prometheus is told of what programs do in a mount, and of what that asks of KMS.
func TestMetrics(t *testing.T) {
	s := rig.Settings{}
	w := watchRig(t, s, func() *rig.Rig { return rig.New(t, s) })
	const size = 1 << 20
	w.Within(rig.Limit, "save, rename and remove", func() error {
		for _, name := range []string{"a.mov", "b.mov"} {
			if err := os.WriteFile(w.Path(name), make([]byte, size), 0o600); err != nil {
				return err
			}
		}
		if err := os.Rename(w.Path("a.mov"), w.Path("c.mov")); err != nil {
			return err
		}
		return os.Remove(w.Path("b.mov"))
	})
	if out, err := w.Mcfs(rig.Limit, "sync", w.Path()); err != nil {
		t.Fatalf("sync: %v: %s", err, out)
	}
	for name, want := range map[string]float64{
		"mcfs_pending":                                             0,
		"mcfs_failing":                                             0,
		`mcfs_events_total{type="commit"}`:                         2,
		`mcfs_events_total{type="rename"}`:                         1,
		`mcfs_events_total{type="remove"}`:                         1,
		"mcfs_committed_bytes_total":                               2 * size,
		`mcfs_jobs_total{status="",what="created"}`:                0,
		`mcfs_key_call_seconds_count{call="new",outcome="failed"}`: 0,
	} {
		if got := w.metric(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if n := w.metric(`mcfs_key_call_seconds_count{call="new",outcome="ok"}`); n < 2 {
		t.Errorf("%v data keys were made for two files", n)
	}
	w.Unmount()
}
