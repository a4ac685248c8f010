package main

import (
	"context"
	"errors"
	"time"

	"mcfs/bench/delay"
	"mcfs/bench/measure"
	"mcfs/bench/report"
)

const (
	readerCount = 16
	readerSize  = 64 << 20  // bytes of each file
	readerLink  = 100 << 20 // bytes per second
	ofTheLink   = "of the link"
)

// readMany reads many files at once that are not in the cache, over a link that is slower than the machine.
func readMany(ctx context.Context, l *lab) (row report.Row, err error) {
	size := max(1<<20, l.size(readerSize*readerCount)/readerCount)
	bucket, err := l.s3.NewBucket(ctx)
	if err != nil {
		return row, err
	}
	proxy, err := delay.Start(l.s3.URL, delay.Options{Rate: readerLink})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, proxy.Close(), l.s3.Drop(bucket), l.tidy()) }()
	source, err := l.source(size)
	if err != nil {
		return row, err
	}
	fill := shell(`for i in $(seq "$3"); do cp "$2" "$1/f$i"; done`, source, decimal(readerCount))
	if _, err := l.inMount(ctx, bucket, l.mcfs(l.s3.URL, nil), false, fill); err != nil {
		return row, err
	}
	read := func(ctx context.Context, p place, _ bool) (map[string]float64, error) {
		begun := time.Now()
		_, err := shell(`for i in $(seq "$2"); do cat "$1/f$i" >/dev/null & done; wait`, decimal(readerCount))(ctx, p, false)
		perSecond := float64(size*readerCount) / time.Since(begun).Seconds()
		return map[string]float64{ofTheLink: perSecond / readerLink}, err
	}
	all, err := l.alternate(ctx, runs, l.onKept(nameMcfs, bucket, l.mcfs(proxy.URL, nil), read))
	s, seriesErr := all.Of(nameMcfs)
	return report.Row{
		Series: all,
		Notes:  []string{"16 files of 64 MiB, read by 16 `cat` at once in a new mount with an empty spool; all answers of the server share a link of 100 MiB/s."},
		Checks: []report.Check{{What: "bytes per second, of the link's", Value: s.Median(measure.More(ofTheLink)), Limit: 0.9, Least: true, Unit: "×", Err: seriesErr}},
	}, err
}
