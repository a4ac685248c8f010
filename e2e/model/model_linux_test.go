package model

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// suite runs sequences in one mode, and remembers the shortest that failed.
type suite struct {
	t     *testing.T
	mode  string
	small bool
	w     *world
	worst *failure
	tries int // that failed
}

type failure struct {
	script []op
	err    error
	log    string
}

func newSuite(t *testing.T, mode string, small bool) *suite {
	s := &suite{t: t, mode: mode, small: small}
	t.Cleanup(s.end)
	return s
}

// end takes the world down, and prints the shortest sequence that failed.
func (s *suite) end() {
	if s.worst != nil {
		shorten(s.worst.script, shortenFor, func(script []op) bool { return s.replay(script) != nil })
	}
	if s.w != nil && s.worst == nil {
		s.w.mount.Unmount()
		if err := s.w.bench.found(); err != nil {
			s.t.Error(err)
		}
	}
	if s.w != nil {
		s.w.end(false)
	}
	if f := s.worst; f != nil {
		s.t.Errorf("the shortest script of %d that failed (put it into testdata to run it again):\n# mode %s, small %v: %s\n%s\n%s",
			s.tries, s.mode, s.small, strings.ReplaceAll(f.err.Error(), "\n", "\n# "), writeScript(f.script), f.log)
	}
}

// start is a run in the world that is there, or in a new one.
func (s *suite) start() *run {
	if s.w == nil {
		s.w = newWorld(s.t, s.mode, s.small)
	}
	return newRun(s.w)
}

// fail throws the world away.
func (s *suite) fail(r *run, err error) {
	s.tries++
	log := s.w.end(true)
	s.w = nil
	if s.worst == nil || len(r.script) < len(s.worst.script) {
		s.worst = &failure{script: r.script, err: err, log: log}
	}
}

// property is what holds for every sequence. All its failures bear one name, so
// that shrinking may lead from one to another.
func (s *suite) property(t *rapid.T) {
	r := s.start()
	t.Repeat(map[string]func(*rapid.T){"step": func(t *rapid.T) {
		o := draw(t, r)
		if err := r.step(o); err != nil {
			s.fail(r, err)
			t.Fatal("mount and disk differ")
		}
	}})
	if err := r.end(); err != nil {
		s.fail(r, err)
		t.Fatal("mount and disk differ")
	}
}

// replay runs one script.
func (s *suite) replay(script []op) error {
	r := s.start()
	for _, o := range script {
		if err := r.step(o); err != nil {
			s.fail(r, err)
			return err
		}
	}
	if err := r.end(); err != nil {
		s.fail(r, err)
		return err
	}
	return nil
}

var modes = []string{"CTR", "CBC", "GCM"}

// TestModel compares a mount with a directory over random sequences of system calls.
func TestModel(t *testing.T) {
	for _, d := range notCompared {
		t.Logf("not compared: %s, since it %s", d.what, d.reason)
	}
	inModes(t, modes, func(t *testing.T, s *suite) {
		begun, before := time.Now(), steps.Load()
		rapid.Check(t, s.property)
		t.Logf("%d steps in %v", steps.Load()-before, time.Since(begun).Round(time.Second))
	})
}

// inModes runs f in each of the modes, with a spool that has room for everything, and
// with one that has not.
func inModes(t *testing.T, modes []string, f func(*testing.T, *suite)) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) { f(t, newSuite(t, mode, false)) })
		t.Run(mode+" small", func(t *testing.T) { f(t, newSuite(t, mode, true)) })
	}
}

// TestScripts repeats the sequences that once failed, in every mode.
func TestScripts(t *testing.T) {
	inModes(t, modes, func(t *testing.T, s *suite) {
		in := "testdata/*.script"
		if s.small {
			in = "testdata/small/*.script"
		}
		scripts, err := filepath.Glob(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range scripts {
			script, err := readScript(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.replay(script); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	})
}

// TestSoak goes on for as long as MCFS_SOAK says, in the modes of MCFS_SOAK_MODES, half
// of that time with a small spool; without that it is but a moment in one mode, so that it
// cannot rot: TestModel checks the same property in each.
func TestSoak(t *testing.T) {
	length := 4 * time.Second
	if text := os.Getenv("MCFS_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	chosen := modes
	if os.Getenv("MCFS_SOAK") == "" {
		chosen = modes[:1]
	}
	if text := os.Getenv("MCFS_SOAK_MODES"); text != "" {
		chosen = strings.Fields(text)
	}
	inModes(t, chosen, func(t *testing.T, s *suite) {
		begun, before, refused := time.Now(), steps.Load(), refusals.Load()
		for ok := true; ok && time.Since(begun) < length/2; {
			ok = t.Run("", func(t *testing.T) { rapid.Check(t, s.property) })
		}
		done, took := steps.Load()-before, time.Since(begun)
		fmt.Printf("soak %s: %d steps in %v, %.0f a second, %d refused by a full spool\n",
			t.Name(), done, took.Round(time.Second), float64(done)/took.Seconds(), refusals.Load()-refused)
	})
}
