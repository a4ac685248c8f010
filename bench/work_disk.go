package main

import (
	"context"

	"mcfs/bench/measure"
	"mcfs/bench/report"
)

const diskShare = "written, of its size"

// spoolDisk counts what a mount gives the kernel to write to its disk for a file that is sent as it comes.
func spoolDisk(ctx context.Context, l *lab) (report.Row, error) {
	source, size, err := l.sources(2 * gib)
	if err != nil {
		return report.Row{}, err
	}
	write := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
		before, err := p.mount.Daemon.Written()
		if err != nil {
			return nil, err
		}
		if _, err := shell(copyIn, source(warmUp))(ctx, p, warmUp); err != nil {
			return nil, err
		}
		after, err := p.mount.Daemon.Written()
		return map[string]float64{diskShare: float64(after-before) / float64(size)}, err
	}
	all, err := l.alternate(ctx, runs, l.onFresh(nameMcfs, l.mcfs(l.s3.URL, nil), write))
	s, seriesErr := all.Of(nameMcfs)
	return report.Row{
		Series: all,
		Notes: []string{"What the kernel counts for the daemon: pages of the disk's files that it has made dirty, without those that were taken back before they were written. " +
			"A spool in memory counts as nothing."},
		Checks: []report.Check{{What: "bytes written to the spool's disk, of the file's", Value: s.Median(measure.More(diskShare)), Limit: 0.3, Unit: "×", Err: seriesErr}},
	}, err
}
