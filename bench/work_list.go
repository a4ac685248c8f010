package main

import (
	"context"
	"errors"
	"fmt"

	"mcfs/bench/measure"
	"mcfs/bench/report"
	"mcfs/store/s3/s3test/sink"
)

const listAll = `ls -l "$1/$2" >/dev/null`

// crowd are the numbers of files whose growth is looked at; the last is the one
// that is listed.
var crowd = [...]int{1000, 10_000, 100_000}

const (
	crowdSize = 1 << 10 // bytes of each file
	headsOnce = 32      // requests at once of the bare loop
	perFile   = "ms per file"
)

// crowded is a sink that holds directories full of files, written by mcfs.
type crowded struct {
	sink   *sink.Server
	series measure.All
}

// makingName is the series of a directory's making.
func makingName(count int) string { return fmt.Sprintf("mcfs, making %d files", count) }

func folder(count int) string { return fmt.Sprintf("d%d", count) }

// crowds writes them, one directory after the other, in one mount each.
func (l *lab) crowds(ctx context.Context) (*crowded, error) {
	return l.many.get(func() (*crowded, error) {
		s, err := sink.Start(sink.Options{})
		if err != nil {
			return nil, err
		}
		c := &crowded{sink: s}
		var contenders []measure.Contender
		for _, n := range crowd {
			count := l.count(n)
			contenders = append(contenders, l.onKept(makingName(count), sink.Bucket, l.mcfs(s.URL, nil), l.filling(count)))
		}
		c.series, err = l.alternate(ctx, 1, contenders...)
		return c, err
	})
}

// filling makes a directory of count files; warming up, one of a few.
func (l *lab) filling(count int) doing {
	return func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
		dir, n := folder(count), count
		if warmUp {
			dir, n = fmt.Sprintf("warm-up-%d", count), min(count, 500)
		}
		_, err := l.help(ctx, "files", p.mount.Path(dir), decimal(int64(n)), decimal(crowdSize))
		return nil, err
	}
}

func listFiles(ctx context.Context, l *lab) (row report.Row, err error) {
	few, err := l.listSmall(ctx, "500 files", 500)
	if err != nil {
		return row, err
	}
	small, err := l.listSmall(ctx, "2,000 files", 2000)
	row.Series = append(few, small...)
	for _, n := range []string{"500 files", "2,000 files"} {
		row.Checks = append(row.Checks, ratio(row.Series, n+", wall", measure.Wall, nameMcfs+", "+n, nameS3FS+", "+n, 1))
	}
	row.Notes = []string{
		"In a new mount with an empty spool. mcfs lists two names for each file, and takes size and times from the sidecar's metadata; " +
			"s3fs has files that a plain client put.",
		"The 100,000 are on a sink that keeps small objects in memory, for mcfs and for the bare loop alike: a HEAD there costs " +
			"a server next to nothing, so that the client's share is larger than it would be on a real one. The loop has 32 requests under way.",
	}
	if err != nil {
		return row, err
	}
	large, err := l.listLarge(ctx)
	row.Series = append(row.Series, large...)
	s, memoryErr := large.Of(nameMany)
	row.Checks = append(row.Checks,
		ratio(large, "100,000 files, wall", measure.Wall, nameMany, nameHeads, 3),
		report.Check{What: "100,000 files, memory", Value: s.Median(measure.Peak) / (1 << 20), Limit: 250, Unit: "MiB", Err: memoryErr},
	)
	return row, err
}

// listSmall is mcfs against s3fs, each on a bucket of its own kind.
func (l *lab) listSmall(ctx context.Context, name string, files int) (all measure.All, err error) {
	count := l.count(files)
	sealed, err := l.s3.NewBucket(ctx)
	if err != nil {
		return nil, err
	}
	bare, err := l.s3.NewBucket(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.s3.Drop(sealed), l.s3.Drop(bare), l.tidy()) }()
	if _, err := l.help(ctx, "fill", l.s3.URL, bare, decimal(int64(count)), "8", "f%06d", decimal(crowdSize)); err != nil {
		return nil, err
	}
	make := func(ctx context.Context, p place, _ bool) (map[string]float64, error) {
		_, err := l.help(ctx, "files", p.mount.Dir, decimal(int64(count)), decimal(crowdSize))
		return nil, errors.Join(err, l.syncing(ctx, p))
	}
	if _, err := l.inMount(ctx, sealed, l.mcfs(l.s3.URL, spooled), false, make); err != nil {
		return nil, err
	}
	return l.alternate(ctx, 5,
		l.onKept(nameMcfs+", "+name, sealed, l.mcfs(l.s3.URL, nil), shell(listAll, "")),
		l.onKept(nameS3FS+", "+name, bare, l.s3fs(l.s3.URL), shell(listAll, "")),
	)
}

const (
	nameMany  = "mcfs, 100,000 files"
	nameHeads = "100,000 parallel HEADs"
)

// listLarge is mcfs against the bare requests.
func (l *lab) listLarge(ctx context.Context) (measure.All, error) {
	c, err := l.crowds(ctx)
	if err != nil {
		return nil, err
	}
	count := l.count(crowd[len(crowd)-1])
	if _, err := c.series.Of(makingName(count)); err != nil {
		return nil, fmt.Errorf("make the files: %w", err)
	}
	return l.alternate(ctx, 2,
		l.onKept(nameMany, sink.Bucket, l.mcfs(c.sink.URL, nil), shell(listAll, folder(count))),
		measure.Contender{Name: nameHeads, Run: func(ctx context.Context, _ bool) (measure.Sample, error) {
			ctx, cancel := limited(ctx)
			defer cancel()
			return l.metered(ctx, l.helperCommand("heads", c.sink.URL, sink.Bucket, decimal(int64(count)), decimal(headsOnce), folder(count)+"/f%06d.settings.json"))
		}},
	)
}
