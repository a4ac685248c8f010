package torture

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// bench is the testing.TB of a world: what fails is collected, so that it can be
// told together with what led to it, and a look at the bucket can be repeated.
type bench struct {
	testing.TB
	mu       sync.Mutex
	troubles []string
	logs     int
}

// trouble ends what goes on, as Fatal does.
type trouble struct{ text string }

func (b *bench) Errorf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.troubles = append(b.troubles, fmt.Sprintf(format, args...))
}

func (b *bench) Fatalf(format string, args ...any) {
	b.Errorf(format, args...)
	panic(trouble{b.text()})
}

func (b *bench) Error(args ...any) { b.Errorf("%s", fmt.Sprint(args...)) }
func (b *bench) Fatal(args ...any) { b.Fatalf("%s", fmt.Sprint(args...)) }
func (b *bench) Failed() bool      { return b.text() != "" }

func (b *bench) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.troubles, "\n")
}

// Logf shows the logs of the last two daemons only: the mounts end backwards.
func (b *bench) Logf(format string, args ...any) {
	if strings.HasPrefix(format, "the daemon's log") {
		if b.logs++; b.logs > 2 {
			return
		}
	}
	b.TB.Logf(format, args...)
}

// attempt runs f, and returns what failed in it instead of failing.
func (b *bench) attempt(f func()) (failed string) {
	b.mu.Lock()
	before := slices.Clone(b.troubles)
	b.troubles = nil
	b.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(trouble); !ok {
				panic(p)
			}
		}
		failed = b.text()
		b.mu.Lock()
		b.troubles = before
		b.mu.Unlock()
	}()
	f()
	return ""
}
