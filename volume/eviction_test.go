package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"mcfs/crypt"
)

// Files that are together, and often alone, larger than the spool are written, patched,
// cut, renamed and removed over a store that is slow, or away, or fails at some
// requests, with kills in between, and compared with plain bytes: what is read is what
// was written, or an error that may come; what a close or fsync promised is there after
// a kill; and the store gets what was closed and nothing else.
//
// The time is that of a bubble (testing/synctest), so that no wait takes any, and
// every step ends when all that it has set going has come to rest.

// TestEvictionScripts repeats what once failed, in every mode and with either durability.
func TestEvictionScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/evictions/*.script")
	if err != nil || len(paths) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".script"), func(t *testing.T) {
			t.Parallel()
			s, err := readEvictions(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, s.mode = range modes {
				for _, s.durable = range []bool{false, true} {
					if f := s.run(t); f != nil {
						t.Errorf("%v, durability spool %v: %v\n%s", s.mode, s.durable, f.err, f.log)
					}
				}
			}
		})
	}
}

// evictionScript is what a run does, and over what.
type evictionScript struct {
	mode        crypt.Mode
	durable     bool
	part, spool int64 // bytes
	steps       []evictionStep
}

// evictionStep is one step. What does not fit the state is left out, so that a
// script without some of its steps is a script.
type evictionStep struct {
	verb     string
	a, b     int // slots, names, or what else the verb needs
	off, len int64
}

const evictionStepForm = "%s %d %d %d %d"

func (s *evictionScript) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "with %v %v %d %d\n", s.mode, s.durable, s.part, s.spool)
	for _, o := range s.steps {
		fmt.Fprintf(&b, evictionStepForm+"\n", o.verb, o.a, o.b, o.off, o.len)
	}
	return b.String()
}

// readEvictions reads what String wrote; "#" begins a comment.
func readEvictions(path string) (s evictionScript, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		var o evictionStep
		if strings.HasPrefix(line, "with ") {
			var mode string
			_, err = fmt.Sscanf(line, "with %s %t %d %d", &mode, &s.durable, &s.part, &s.spool)
			s.mode = modes[max(0, slices.IndexFunc(modes, func(m crypt.Mode) bool { return m.String() == mode }))]
		} else {
			_, err = fmt.Sscanf(line, evictionStepForm, &o.verb, &o.a, &o.b, &o.off, &o.len)
			s.steps = append(s.steps, o)
		}
		if err != nil {
			return s, fmt.Errorf("%s: %q: %w", path, line, err)
		}
	}
	return s, nil
}

// evictionFailure is what went wrong, and what the volume had said.
type evictionFailure struct {
	err error
	log string
}

// run does the script in a bubble of its own; nil: all was as it should be.
func (s *evictionScript) run(t *testing.T) (f *evictionFailure) {
	defer func() {
		if p := recover(); p != nil { // a goroutine that stays behind, say
			f = &evictionFailure{err: fmt.Errorf("%v", p)}
		}
	}()
	b := &evictionBench{TB: t}
	synctest.Test(t, func(*testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		b.ctx = ctx
		e := newEvictions(b, s)
		b.attempt(func() {
			e.begin()
			for i, o := range s.steps {
				e.step(i, o)
			}
			e.end()
		})
		e.stop()
		for _, f := range slices.Backward(b.cleanups) {
			f()
		}
	})
	if len(b.troubles) == 0 {
		return nil
	}
	return &evictionFailure{errors.New(strings.Join(b.troubles, "\n")), strings.Join(b.lines, "\n")}
}

// evictionBench is the testing.TB of a run: what fails is the run's, which is then
// repeated in a shorter form.
type evictionBench struct {
	testing.TB
	ctx      context.Context
	mu       sync.Mutex
	troubles []string
	lines    []string
	cleanups []func()
}

type evictionTrouble struct{}

func (b *evictionBench) Errorf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.troubles = append(b.troubles, fmt.Sprintf(format, args...))
}

func (b *evictionBench) Fatalf(format string, args ...any) {
	b.Errorf(format, args...)
	panic(evictionTrouble{})
}

func (b *evictionBench) Log(args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) < 400 {
		b.lines = append(b.lines, strings.TrimSpace(fmt.Sprintln(args...)))
	}
}

func (b *evictionBench) Helper()                  {}
func (b *evictionBench) Error(args ...any)        { b.Errorf("%s", fmt.Sprint(args...)) }
func (b *evictionBench) Fatal(args ...any)        { b.Fatalf("%s", fmt.Sprint(args...)) }
func (b *evictionBench) Logf(f string, a ...any)  { b.Log(fmt.Sprintf(f, a...)) }
func (b *evictionBench) Failed() bool             { return len(b.troubles) > 0 }
func (b *evictionBench) Context() context.Context { return b.ctx }
func (b *evictionBench) Cleanup(f func())         { b.cleanups = append(b.cleanups, f) }

// attempt runs f up to its first fatal error.
func (b *evictionBench) attempt(f func()) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(evictionTrouble); !ok {
				panic(p)
			}
		}
	}()
	f()
}

// TempDir is in memory where the system has a place for that: what matters here
// is what the spool holds, not what a disk does with it.
func (b *evictionBench) TempDir() string {
	in := "/dev/shm"
	if info, err := os.Stat(in); err != nil || !info.IsDir() {
		in = ""
	}
	dir, err := os.MkdirTemp(in, "mcfs-evictions-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			b.Error(err)
		}
	})
	return dir
}
