package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// sizes are those of a world whose spool is full again and again: files that are
// together, and some of them alone, larger than it. What the design says of such a
// file is refused there may be refused: a write, a patch or a read of what was sent and
// dropped, an fsync, a close where the spool is what it promises, with ENOSPC, a
// rename with EBUSY. And a file of which nobody was promised anything may be lost.
type sizes struct{ part, spool int64 }

// drawSizes makes half of the worlds small.
func drawSizes(rng *rand.Rand) *sizes {
	s := &sizes{part: pick[int64](rng, 32, 64, 128) << 10, spool: pick[int64](rng, 2, 3, 4) << 20}
	if rng.IntN(2) == 0 {
		return nil
	}
	return s
}

func (s *sizes) String() string {
	if s == nil {
		return "usual parts and spool"
	}
	return fmt.Sprintf("parts of %d KiB, spool of %d KiB", s.part>>10, s.spool>>10)
}

// overflows reports whether parts of the file may have left while it was written, and
// been dropped.
func (s *sizes) overflows(n *node) bool { return int64(n.longest) >= 4*s.part }

// mayNotFit is of a write: it needs room, and of a file without a name what was fetched
// of its version before that went.
func (p *player) mayNotFit(n *node) func(error) bool {
	return func(err error) bool {
		n.halved = true
		return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.ESTALE) && n.gone
	}
}

// mayLack is of a call that needs all of a file to be here.
func (p *player) mayLack(n *node) func(error) bool {
	return func(err error) bool { return errors.Is(err, syscall.ENOSPC) && p.w.small.overflows(n) }
}

// mayClose is of a close: of a file that could not be written whole it fails; where the spool is what it promises, it needs all of the file
// here, and where the store is away, it says that, and promises nothing else of such a file.
func (p *player) mayClose(n *node) func(error) bool {
	return func(err error) bool {
		full := errors.Is(err, syscall.ENOSPC) && p.w.durability == "spool"
		half := n.halved || n.emptied != nil && n.emptied != p.w.round
		if half && errors.Is(err, syscall.ENOSPC) {
			return true
		}
		return (full || errors.Is(err, syscall.EIO)) && p.w.small.overflows(n)
	}
}

// mayBeBusy is of a change of names of files, or of directories above them.
func (p *player) mayBeBusy(nodes ...*node) func(error) bool {
	return func(err error) bool {
		for _, n := range nodes {
			if errors.Is(err, syscall.EBUSY) && (p.w.small.overflows(n) || len(n.all(p.w.small.overflows)) > 0) {
				return true
			}
		}
		return false
	}
}

// onlyUpload is why a file is lost.
const onlyUpload = "parts of it were in an unfinished upload alone"

// usual and full are what a daemon may complain of, the latter in a small world.
const (
	usual = "close gave up waiting"
	full  = "spool is full|dropped from the full spool|is lost: mcfs ended before its upload|" + onlyUpload + "|not safe in the spool"
)

func (w *world) expectation() string {
	if w.small == nil {
		return usual
	}
	return usual + "|" + full
}

func (w *world) expected(line string) bool {
	return regexp.MustCompile(w.expectation()).MatchString(line)
}

// removeLost removes what a mount shows as lost, as a person would who has seen it.
func (w *world) removeLost(s snapshot) {
	for _, n := range w.root.all(isFile) {
		p := n.path()
		got, there := s.all[p]
		if !there || got.err == nil {
			continue
		}
		if err := unix.Unlink(filepath.Join(w.mount.Dir, p)); err != nil {
			w.fail("removing a lost file", &broken{path: p, node: n, text: err.Error()})
		}
		w.say("removed %s (node %d), which is lost: %v", strings.TrimPrefix(p, "/"), n.id, got.err)
		w.counts.lost++
		n.remove()
	}
}
