// Package measure runs contenders at the same work in turn, A B A B …, and says
// what they took.
//
// The first round of a series is not counted: memory that is touched for the
// first time is slow, and so is a cold disk. What is compared are medians.
package measure

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Sample is what one run took.
type Sample struct {
	Wall   time.Duration
	CPU    time.Duration      // of the contender: its daemon, or the command itself
	Server time.Duration      // CPU of the S3 server meanwhile; 0 if there is none
	Peak   int64              // bytes resident
	More   map[string]float64 // further figures, by name with unit
}

// Contender is one way to do a piece of work.
type Contender struct {
	Name string
	// Run does it once. A warm-up may do less of it.
	Run func(ctx context.Context, warmUp bool) (Sample, error)
}

// Series is what a contender took.
type Series struct {
	Name    string
	Samples []Sample // counted ones
	Err     error    // why there are no more
}

// Alternate runs each contender once without counting, then runs times in
// turn. A contender that fails is out; the others go on. The error is the
// context's alone.
func Alternate(ctx context.Context, runs int, contenders ...Contender) (All, error) {
	all := make(All, len(contenders))
	for i, c := range contenders {
		all[i].Name = c.Name
	}
	for round := range runs + 1 {
		for i, c := range contenders {
			if all[i].Err != nil {
				continue
			}
			sample, err := c.Run(ctx, round == 0)
			if ctx.Err() != nil {
				return all, context.Cause(ctx)
			}
			if err != nil {
				all[i].Err = err
			} else if round > 0 {
				all[i].Samples = append(all[i].Samples, sample)
			}
		}
	}
	return all, nil
}

// All are the series of one piece of work, in the order of the contenders.
type All []Series

// ErrNone: there is no figure, because the contender is not there.
var ErrNone = errors.New("was not measured")

// Of is the series of that name, or an error that says why it is of no use.
func (a All) Of(name string) (Series, error) {
	for _, s := range a {
		if s.Name != name {
			continue
		}
		if s.Err != nil {
			return s, fmt.Errorf("%s failed: %w", name, s.Err)
		}
		if len(s.Samples) == 0 {
			return s, fmt.Errorf("%s %w", name, ErrNone)
		}
		return s, nil
	}
	return Series{}, fmt.Errorf("%s %w", name, ErrNone)
}

// Figure picks a number out of a sample.
type Figure func(Sample) float64

// The figures that every sample has: seconds, seconds, bytes.
var (
	Wall Figure = func(s Sample) float64 { return s.Wall.Seconds() }
	CPU  Figure = func(s Sample) float64 { return s.CPU.Seconds() }
	Peak Figure = func(s Sample) float64 { return float64(s.Peak) }
)

// More is a further figure.
func More(name string) Figure { return func(s Sample) float64 { return s.More[name] } }

// Median of a figure over the counted runs; 0 of none.
func (s Series) Median(f Figure) float64 {
	values := s.values(f)
	if len(values) == 0 {
		return 0
	}
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

// Range is the least and the most of a figure.
func (s Series) Range(f Figure) (least, most float64) {
	values := s.values(f)
	if len(values) == 0 {
		return 0, 0
	}
	return values[0], values[len(values)-1]
}

func (s Series) values(f Figure) []float64 {
	values := make([]float64, len(s.Samples))
	for i, sample := range s.Samples {
		values[i] = f(sample)
	}
	slices.Sort(values)
	return values
}

// Names of the further figures that any sample has, sorted.
func (s Series) Names() []string {
	names := make(map[string]bool)
	for _, sample := range s.Samples {
		for name := range sample.More {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Ratio of the medians of two contenders' figures.
func (a All) Ratio(f Figure, name, to string) (float64, error) {
	one, err := a.Of(name)
	if err != nil {
		return 0, err
	}
	other, err := a.Of(to)
	if err != nil {
		return 0, err
	}
	base := other.Median(f)
	if base == 0 {
		return 0, fmt.Errorf("the figure of %s is 0", to)
	}
	return one.Median(f) / base, nil
}
