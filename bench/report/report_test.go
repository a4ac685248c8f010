package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	"mcfs/bench/measure"
)

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		check Check
		want  string
	}{
		{Check{Value: 0.7, Limit: 0.75}, Met},
		{Check{Value: 0.75, Limit: 0.75}, Met},
		{Check{Value: 0.8, Limit: 0.75}, Missed},
		{Check{Value: 0.9, Limit: 1, Least: true}, Missed},
		{Check{Value: 1.1, Limit: 1, Least: true}, Met},
		{Check{Value: 1.5, Limit: 1.3, Toward: true}, NotYet},
		{Check{Value: 1.2, Limit: 1.3, Toward: true}, Reached},
		{Check{Err: errors.New("no such program")}, NotMeasured},
	} {
		if got := c.check.Verdict(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.check, got, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for want, v := range map[string]float64{"0 ×": 0, "0.70 ×": 0.7, "9.99 ×": 9.99, "12.3 ×": 12.34, "512 ×": 511.9} {
		if got := number(v, "×"); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

func TestWrite(t *testing.T) {
	series := measure.All{
		{Name: "mcfs", Samples: []measure.Sample{{Wall: 2 * time.Second, CPU: time.Second, Peak: 64 << 20, More: map[string]float64{"MB/s": 500}}}},
		{Name: "rclone", Err: errors.New("exit status 1: no |such\nbucket")},
	}
	rows := []Row{
		{Name: "write", Work: "cp of 2 GiB", Series: series, Notes: []string{"A note."}, Missed: "Not shown.",
			Checks: []Check{{What: "wall, of s3fs's", Value: 0.5, Limit: 0.6, Unit: "×"}}},
		{Name: "read", Work: "cat", Missed: "Because of the disk.",
			Checks: []Check{{What: "wall", Value: 2, Limit: 1, Unit: "×"}, {What: "CPU", Limit: 1, Unit: "×", Err: errors.New("rclone failed")}}},
		{Name: "none", Work: "what did not run"},
	}
	var b strings.Builder
	if err := Write(&b, Machine{Commit: "abc", Scale: 0.5, Versions: [][2]string{{"rclone", "v1"}}}, rows); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		"| [cp of 2 GiB](#write) | wall, of s3fs's: at most 0.60 × | 0.50 × | met |\n",
		"| [cat](#read) | wall: at most 1.00 × | 2.00 × | **missed** |\n",
		"|   | CPU: at most 1.00 × | rclone failed | **not measured** |\n",
		"| [what did not run](#none) | all | no figures | **not measured** |\n",
		"| mcfs | 1 | 2.00 (2.00 to 2.00) | 1.00 |  | 64 | MB/s 500 |\n",
		`| rclone | 0 | | | | | failed: exit status 1: no \|such bucket |`,
		"A note.", "Because of the disk.", "a trial at 0.5", "| rclone | v1 |",
	} {
		if want = strings.Replace(want, "|   |", "|  |", 1); !strings.Contains(text, want) {
			t.Errorf("RESULTS.md lacks %q", want)
		}
	}
	if strings.Contains(text, "Not shown.") {
		t.Error("a row whose goals are met explains why they were missed")
	}
}

func TestMeasuredTellsFromItsLimit(t *testing.T) {
	for want, c := range map[string]Check{
		"1.0023 ×": {Value: 1.0023, Limit: 1, Unit: "×"},
		"1.00 ×":   {Value: 1, Limit: 1, Unit: "×"},
		"1.10 ×":   {Value: 1.1, Limit: 1, Unit: "×"},
	} {
		if got := c.measured(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
