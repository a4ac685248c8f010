package main

import (
	"context"
	"strings"

	"mcfs/bench/measure"
	"mcfs/bench/report"
)

const (
	beforeSuffix = ", before"
	// comparedRuns are counted of each of two versions, whose difference is smaller than that of two programs.
	comparedRuns = 7
	// slower is how much longer a row may take than before.
	slower = 1.03
)

// beside keeps the contenders that are mcfs, each followed by the same work with the other binary.
func (l *lab) beside(contenders []measure.Contender) []measure.Contender {
	var out []measure.Contender
	for _, c := range contenders {
		if c.Name != nameMcfs && !strings.HasPrefix(c.Name, nameMcfs+",") {
			continue
		}
		out = append(out, c, measure.Contender{Name: c.Name + beforeSuffix, Run: func(ctx context.Context, warmUp bool) (measure.Sample, error) {
			now := l.kit.Mcfs
			l.kit.Mcfs = l.o.before
			defer func() { l.kit.Mcfs = now }()
			return c.Run(ctx, warmUp)
		}})
	}
	return out
}

// comparisons are checks of each series against the one of the other binary.
func comparisons(all measure.All) []report.Check {
	var checks []report.Check
	for _, s := range all {
		before := s.Name + beforeSuffix
		if strings.HasSuffix(s.Name, beforeSuffix) {
			continue
		}
		for _, f := range []struct {
			what string
			of   measure.Figure
		}{{"wall", measure.Wall}, {"CPU", measure.CPU}} {
			c := ratio(all, f.what, f.of, s.Name, before, slower)
			c.What = s.Name + ", " + f.what + ", of the other version's"
			checks = append(checks, c)
		}
	}
	return checks
}
