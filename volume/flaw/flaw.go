package flaw

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Flaw is a range that a program was told it could not change: the draft does not hold
// there what it was to hold.
type Flaw struct {
	Off, End int64
	Cause    error
	By       any // the handle through which it came; nil: one of an earlier mount
}

// Set are those of a draft, the first failure first; nil: it is what its programs meant.
type Set []Flaw

// most bounds them: more are taken together to one that covers all.
const most = 64

// With adds a range.
func (s Set) With(w Flaw) Set {
	for _, x := range s {
		if x.Off <= w.Off && w.End <= x.End {
			return s // tried again, in vain
		}
	}
	if len(s) < most {
		return append(s, w)
	}
	all := s[0]
	for _, x := range append(s[1:], w) {
		all.Off, all.End = min(all.Off, x.Off), max(all.End, x.End)
	}
	return Set{all}
}

// Without leaves out what has been changed since.
func (s Set) Without(off, end int64) Set {
	if s == nil {
		return nil
	}
	var left Set
	for _, x := range s {
		if x.End <= off || end <= x.Off {
			left = append(left, x)
			continue
		}
		if x.Off < off {
			left = append(left, Flaw{x.Off, off, x.Cause, x.By})
		}
		if end < x.End {
			left = append(left, Flaw{end, x.End, x.Cause, x.By})
		}
	}
	return left
}

// Cut is what is left where the file was made to end at size: those before it, and those
// that came through by, if that is given.
func (s Set) Cut(size int64, by any) Set {
	var own Set
	for _, x := range s {
		if by != nil && x.By == by {
			own = append(own, x)
		}
	}
	return append(own, s.Without(size, math.MaxInt64)...)
}

// Err is why the draft is not to be published; nil if it may be. It bears the errno of
// the first failure.
func (s Set) Err() error {
	if s == nil {
		return nil
	}
	return fmt.Errorf("a write failed and was not made good, bytes %d to %d: %w", s[0].Off, s[0].End-1, s[0].Cause)
}

// Record is a flaw at rest.
type Record struct {
	Off   int64  `json:"off"`
	End   int64  `json:"end"`
	Kind  string `json:"kind"`
	Cause string `json:"cause"`
}

// Kinds are the errors that a caller tells apart, by the names under which they are kept.
type Kinds map[string]error

// other is the kind of whatever is none of them.
const other = "io"

// Records returns them as they are kept.
func (s Set) Records(kinds Kinds) (list []Record) {
	for _, x := range s {
		r := Record{Off: x.Off, End: x.End, Kind: other, Cause: strings.ReplaceAll(x.Cause.Error(), "\n", "; ")}
		for kind, err := range kinds {
			if errors.Is(x.Cause, err) {
				r.Kind = kind
			}
		}
		list = append(list, r)
	}
	return list
}

// Recall returns what Records had kept; whatever is of no kind wraps io.
func Recall(list []Record, kinds Kinds, io error) (s Set) {
	for _, x := range list {
		kind, ok := kinds[x.Kind]
		if !ok {
			kind = io
		}
		s = append(s, Flaw{Off: x.Off, End: x.End, Cause: recalled{x.Cause, kind}})
	}
	return s
}

// recalled is an error that was kept: its text, and what it is for callers.
type recalled struct {
	text string
	kind error
}

func (e recalled) Error() string { return e.text }
func (e recalled) Unwrap() error { return e.kind }
