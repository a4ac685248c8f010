package main

import (
	"context"
	"fmt"
	"strconv"

	"mcfs/bench/measure"
	"mcfs/bench/peers"
	"mcfs/bench/report"
	"mcfs/store/s3/s3test/sink"
)

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// flat is how much more a figure may be at the largest size than at the
// smallest and still count as flat.
const flat = 1.1

// flatMemory is the same for memory, of which there are budgets that a small file does not fill.
const flatMemory = 1.2

const perGiB = "CPU per GiB, s"

// growth looks at what a byte and a file cost when there are many more of them.
func growth(ctx context.Context, l *lab) (report.Row, error) {
	row := report.Row{Notes: []string{
		"A generated source, a sink that discards, a spool of at most 2 GiB. Each size is written once, after a small file for warming up. " +
			"Flat is at most 1.1 × from the smallest to the largest.",
		"Files of 1 KiB, written one after the other with `durability = \"upload\"` into one directory of a new mount, on a sink that keeps them.",
	}}
	sizes := []int64{1, 4, 16, 64}
	var names []string
	var contenders []measure.Contender
	for _, n := range sizes {
		name := fmt.Sprintf("mcfs, %d GiB", n)
		names = append(names, name)
		contenders = append(contenders, l.onSink(name, sink.Options{}, peers.Settings{"spool.max_size": `"2GiB"`}, l.generated(l.size(n*gib))))
	}
	sized, err := l.alternate(ctx, 1, contenders...)
	for i, s := range sized {
		for j := range s.Samples {
			s.Samples[j].More[perGiB] = s.Samples[j].CPU.Seconds() / (float64(l.size(sizes[i]*gib)) / gib)
		}
	}
	row.Series = append(row.Series, sized...)
	last := names[len(names)-1]
	row.Checks = append(row.Checks,
		ratio(sized, last+", CPU per GiB", measure.More(perGiB), last, names[0], flat),
		ratio(sized, last+", memory", measure.Peak, last, names[0], flatMemory))
	if err != nil {
		return row, err
	}
	c, err := l.crowds(ctx)
	if err != nil {
		return row, err
	}
	first, most := l.count(crowd[0]), l.count(crowd[len(crowd)-1])
	each := make(measure.All, 0, len(crowd))
	for i, s := range c.series {
		for j := range s.Samples {
			s.Samples[j].More = map[string]float64{perFile: s.Samples[j].Wall.Seconds() * 1000 / float64(l.count(crowd[i]))}
		}
		each = append(each, s)
	}
	row.Series = append(row.Series, each...)
	row.Checks = append(row.Checks, ratio(each, fmt.Sprintf("%d files, time per file", most), measure.More(perFile),
		makingName(most), makingName(first), flat))
	return row, nil
}

// generated writes bytes that no disk holds.
func (l *lab) generated(size int64) func(*sink.Server) doing {
	return func(*sink.Server) doing {
		return func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
			n := size
			if warmUp {
				n = min(size, l.size(gib/4))
			}
			figures, err := l.help(ctx, "write", p.mount.Path("large"), decimal(n), "0")
			if err != nil {
				return nil, err
			}
			return map[string]float64{"MiB/s": float64(n) / (1 << 20) / (figures["write"] + figures["close"])}, nil
		}
	}
}
