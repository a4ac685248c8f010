package main

import (
	"context"
	"fmt"
	"time"

	"mcfs/bench/measure"
	"mcfs/bench/report"
	"mcfs/store/s3/s3test/sink"
)

const (
	idleTime = 30 * time.Second
	// idleAfter is when a mount has done what follows a listing: read ahead, and remembered.
	idleAfter    = 5 * time.Second
	idleRequests = "requests"
	idleWall     = "idle, s"
)

// idleMount lists everything once, and then looks at what the mount does while nobody asks it for anything.
func idleMount(ctx context.Context, l *lab) (report.Row, error) {
	c, err := l.crowds(ctx)
	if err != nil {
		return report.Row{}, err
	}
	count := l.count(crowd[len(crowd)-1])
	known := func(ctx context.Context, bucket string) (place, error) {
		m, err := l.mcfs(c.sink.URL, nil)(ctx, bucket)
		if err != nil {
			return place{}, err
		}
		p := place{m, bucket}
		if _, err := shell(listAll, folder(count))(ctx, p, false); err != nil {
			m.Abandon()
			return p, err
		}
		return p, pause(ctx, idleAfter)
	}
	const name = "mcfs, left alone"
	all, err := l.alternate(ctx, 1, measure.Contender{Name: name, Run: func(ctx context.Context, warmUp bool) (sample measure.Sample, err error) {
		ctx, cancel := limited(ctx)
		defer cancel()
		if warmUp {
			return sample, nil
		}
		p, err := known(ctx, sink.Bucket)
		if err != nil {
			return sample, err
		}
		defer p.mount.Abandon()
		meter, err := p.mount.Daemon.Meter()
		if err != nil {
			return sample, err
		}
		before, begun := c.sink.Counts().Requests, time.Now()
		if err := pause(ctx, idleTime); err != nil {
			return sample, err
		}
		cost, err := meter.Read()
		return measure.Sample{Wall: time.Since(begun), CPU: cost.CPU, Peak: cost.Peak,
			More: map[string]float64{idleRequests: float64(c.sink.Counts().Requests - before)}}, err
	}})
	s, seriesErr := all.Of(name)
	share := 0.0
	if wall := s.Median(measure.Wall); wall > 0 {
		share = 100 * s.Median(measure.CPU) / wall
	}
	return report.Row{
		Series: all,
		Notes:  []string{fmt.Sprintf("%d files have been listed, then nothing is asked for %v. The kernel counts CPU time in ticks of 10 ms: 0.03 %% is one of them.", count, idleTime)},
		Checks: []report.Check{
			{What: "requests", Value: s.Median(measure.More(idleRequests)), Limit: 0, Err: seriesErr},
			{What: "CPU, of one processor's", Value: share, Limit: 0.1, Unit: "%", Err: seriesErr},
		},
	}, err
}

// pause waits, or returns why it was interrupted.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
