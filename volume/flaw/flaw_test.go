package flaw

import (
	"errors"
	"math/rand/v2"
	"testing"
)

var errFull = errors.New("full")

// covers reports whether a byte is one of those that could not be written.
func (s Set) covers(at int64) bool {
	for _, x := range s {
		if x.Off <= at && at < x.End {
			return true
		}
	}
	return false
}

// TestSet draws what is written and what is not, and compares each byte with what is known
// of it: a range may be taken for larger than it is, where there are too many, but not for smaller.
func TestSet(t *testing.T) {
	const size = 400
	for seed := range uint64(200) {
		draw := rand.New(rand.NewPCG(seed, 0))
		var s Set
		var missing [size]bool
		crowded := false
		for range 300 {
			off := draw.Int64N(size)
			end := off + 1 + draw.Int64N(min(9, size-off))
			switch failed := draw.IntN(3) > 0; {
			case failed:
				crowded = crowded || len(s) >= most
				s = s.With(Flaw{Off: off, End: end, Cause: errFull})
			case draw.IntN(40) == 0:
				s, end = s.Cut(off, nil), size
				fallthrough
			default:
				s = s.Without(off, end)
				clear(missing[off:end])
				continue
			}
			for at := off; at < end; at++ {
				missing[at] = true
			}
		}
		for at, is := range missing {
			if got := s.covers(int64(at)); got != is && !(got && crowded) {
				t.Fatalf("seed %d: byte %d: %v, not %v", seed, at, got, is)
			}
		}
	}
}

// TestCutLeavesOwn: a cut that the kernel made before the program knew leaves what came
// through the same handle.
func TestCutLeavesOwn(t *testing.T) {
	mine, other := new(int), new(int)
	s := Set{}.With(Flaw{10, 20, errFull, mine}).With(Flaw{30, 40, errFull, other})
	if got := s.Cut(5, mine); len(got) != 1 || got[0].By != mine {
		t.Errorf("%v", got)
	}
	if got := s.Cut(5, nil); got != nil {
		t.Errorf("%v", got)
	}
	if got := s.Cut(35, nil); len(got) != 2 || got[1].End != 35 {
		t.Errorf("%v", got)
	}
}

// TestRecords: what was kept comes back with its kind.
func TestRecords(t *testing.T) {
	kinds, errIO := Kinds{"full": errFull}, errors.New("io")
	s := Set{{0, 1, errors.Join(errors.New("disk"), errFull), nil}, {2, 3, errors.New("other"), nil}}
	back := Recall(s.Records(kinds), kinds, errIO)
	if len(back) != 2 || !errors.Is(back[0].Cause, errFull) || !errors.Is(back[1].Cause, errIO) || back[0].Cause.Error() != "disk; full" {
		t.Errorf("%v", back)
	}
	if !errors.Is(back.Err(), errFull) || Set(nil).Err() != nil {
		t.Error(back.Err())
	}
}
