package job

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       time.Duration
		fails      bool
	}{
		{name: "plain", text: "7 (cat) S 1 2 3 4 5 6 7 8 9 10 100 20 3 1 0", want: 1240 * time.Millisecond},
		{name: "odd name", text: "7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 1 0 0 0 0", want: 10 * time.Millisecond},
		{name: "short", text: "7 (cat) S 1 2", fails: true},
		{name: "no number", text: "7 (cat) S 1 2 3 4 5 6 7 8 9 10 x 0 0 0 0", fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseStat(c.text)
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func TestParseStatus(t *testing.T) {
	const text = "Name:\tx\nVmPeak:\t  90 kB\nVmHWM:\t    1234 kB\n"
	if got, err := parseStatus(text, "VmHWM"); got != 1234<<10 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	if _, err := parseStatus(text, "VmRSS"); err == nil {
		t.Error("a field that is missing is no error")
	}
}

func TestParseIO(t *testing.T) {
	got, err := parseIO("rchar: 9\nwchar: 8\nread_bytes: 7\nwrite_bytes: 12288\ncancelled_write_bytes: 4096\n")
	if err != nil || got != 8192 {
		t.Errorf("%d, %v", got, err)
	}
	for _, bad := range []string{"", "write_bytes: 1\n", "write_bytes: x\ncancelled_write_bytes: 0\n"} {
		if _, err := parseIO(bad); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}

func TestRun(t *testing.T) {
	cost, out, err := Run(t.Context(), Shell(`i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo "$1"`, "a word"))
	if err != nil || out != "a word\n" {
		t.Fatalf("%q, %v", out, err)
	}
	if cost.Wall <= 0 || cost.CPU <= 0 || cost.CPU > time.Minute || cost.Peak < 100<<10 {
		t.Errorf("cost: %+v", cost)
	}
	if _, _, err := Run(t.Context(), Shell("echo because >&2; exit 3")); err == nil || !strings.Contains(err.Error(), "because") {
		t.Errorf("a failure does not say why: %v", err)
	}
}

// TestRunEnds kills the children of a shell with it.
func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, _, err := Run(ctx, Shell("sleep 30 | sleep 30"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error: %v", err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestDaemon(t *testing.T) {
	d, err := Start(Shell("while :; do :; done"), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Kill()
	m, err := d.Meter()
	if err != nil {
		t.Fatal(err)
	}
	var cost Cost
	for deadline := time.Now().Add(20 * time.Second); cost.CPU < 30*time.Millisecond; {
		if time.Now().After(deadline) {
			t.Fatalf("no CPU time was counted: %+v", cost)
		}
		if cost, err = m.Read(); err != nil {
			t.Fatal(err)
		}
	}
	if cost.Peak <= 0 || cost.Wall <= 0 {
		t.Errorf("cost: %+v", cost)
	}
	d.Stop(10 * time.Second)
	if !d.Ended(0) {
		t.Error("it did not end")
	}
}

func TestDaemonEndsAtItsStart(t *testing.T) {
	d, err := Start(Shell("echo no such bucket; exit 1"), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	err = d.Wait(t.Context(), 20*time.Second, func() bool { return false })
	if err == nil || !strings.Contains(err.Error(), "no such bucket") {
		t.Errorf("error: %v", err)
	}
}
