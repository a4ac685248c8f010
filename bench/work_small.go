package main

import (
	"context"
	"errors"
	"maps"
	"time"

	"mcfs/bench/delay"
	"mcfs/bench/job"
	"mcfs/bench/measure"
	"mcfs/bench/peers"
	"mcfs/bench/report"
)

const (
	smallCount = 500
	smallSize  = 64 << 10
	nameSpool  = "mcfs, spool and sync"
	nameCopy   = "rclone copy, 16 at once"
)

// smallFiles copies many files that are small.
func smallFiles(ctx context.Context, l *lab) (report.Row, error) {
	count := l.count(smallCount)
	tree, err := l.tree(count, smallSize)
	if err != nil {
		return report.Row{}, err
	}
	copied := shell(copyTree, tree)
	drained := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
		if _, err := copied(ctx, p, warmUp); err != nil {
			return nil, err
		}
		return nil, l.s3.WaitFor(ctx, p.bucket, count, int64(count)*smallSize)
	}
	const until, local = "until cp ends, s", "gocryptfs"
	saved := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
		begun := time.Now()
		_, err := copied(ctx, p, warmUp)
		took := time.Since(begun).Seconds()
		return map[string]float64{until: took}, errors.Join(err, l.syncing(ctx, p))
	}
	alone := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
		begun := time.Now()
		_, err := copied(ctx, p, warmUp)
		return map[string]float64{until: time.Since(begun).Seconds()}, err
	}
	contenders := []measure.Contender{
		l.onFresh(nameMcfs, l.mcfs(l.s3.URL, nil), copied),
		l.onFresh(nameS3FS, l.s3fs(l.s3.URL), copied),
		l.onFresh(nameSpool, l.mcfs(l.s3.URL, spooled), saved),
		l.onFresh(local, l.gocryptfs, alone),
		l.onCommand(nameCopy, func(bucket string, _ bool) job.Command {
			return l.kit.Rclone.Command(l.s3.URL, bucket, "copy", "--transfers=16", tree, "plain:"+bucket+"/tree")
		}),
		l.onFresh(nameRclone, l.rclone(atOnce), drained),
	}
	contenders = append(contenders, l.ifGiven(l.onFresh(nameGeeseFS, l.geesefs(l.s3.URL), copied))...)
	all, err := l.alternate(ctx, 5, contenders...)
	row := report.Row{
		Series: all,
		Notes: []string{"`durability = \"upload\"` until `cp -r` returns, as s3fs; `durability = \"spool\"` until `mcfs sync` returns, against the rclone " +
			"crypt mount until the bucket holds every file. mcfs's sidecars are included in both."},
		Checks: []report.Check{
			ratio(all, "upload, wall", measure.Wall, nameMcfs, nameS3FS, 0.8),
			ratio(all, "spool, until cp ends", measure.More(until), nameSpool, local, 1.2),
			ratio(all, "spool and sync, wall", measure.Wall, nameSpool, nameCopy, 1.3),
			ratio(all, "spool and sync, wall", measure.Wall, nameSpool, nameRclone, 0.8),
		},
	}
	if l.kit.GeeseFS != "" {
		row.Checks = append(row.Checks, ratio(all, "upload, wall", measure.Wall, nameMcfs, nameGeeseFS, 0.9))
	}
	return row, err
}

// late is what is added to every request.
const late = 30 * time.Millisecond

// smallFilesFar is the same with servers that are far away.
func smallFilesFar(ctx context.Context, l *lab) (row report.Row, err error) {
	tree, err := l.tree(l.count(smallCount), smallSize)
	if err != nil {
		return row, err
	}
	few, err := l.tree(l.count(smallCount/10), smallSize)
	if err != nil {
		return row, err
	}
	s3, err := delay.Start(l.s3.URL, delay.Options{Delay: late})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, s3.Close()) }()
	kms, err := delay.Start(l.kms.URL, delay.Options{Delay: late})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, kms.Close()) }()
	copied := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
		if warmUp {
			return shell(copyTree, few)(ctx, p, warmUp)
		}
		before := s3.Counts()
		_, err := shell(copyTree, tree)(ctx, p, warmUp)
		return map[string]float64{"requests to S3": float64(s3.Counts().Requests - before.Requests)}, err
	}
	synced := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
		figures, err := copied(ctx, p, warmUp)
		return figures, errors.Join(err, l.syncing(ctx, p))
	}
	far := peers.Settings{"keys.endpoint": peers.Quote(kms.URL)}
	farSpooled := maps.Clone(far)
	maps.Copy(farSpooled, spooled)
	all, err := l.alternate(ctx, 2,
		l.onFresh(nameMcfs, l.mcfs(s3.URL, far), copied),
		l.onFresh(nameS3FS, l.s3fs(s3.URL), copied),
		l.onFresh(nameSpool, l.mcfs(s3.URL, farSpooled), synced),
	)
	return report.Row{
		Series: all,
		Notes:  []string{"Both talk to the same server through a proxy that waits 30 ms before it forwards a request; mcfs's requests to KMS do as well. Warming up takes 50 files."},
		Checks: []report.Check{
			ratio(all, "upload, wall", measure.Wall, nameMcfs, nameS3FS, 0.7),
			ratio(all, "spool and sync, wall", measure.Wall, nameSpool, nameS3FS, 0.06),
		},
	}, err
}

const again = "again on a cold mount, s"

// rsyncFiles copies with a program that writes under another name and renames.
func rsyncFiles(ctx context.Context, l *lab) (report.Row, error) {
	count := l.count(smallCount)
	tree, err := l.tree(count, smallSize)
	if err != nil {
		return report.Row{}, err
	}
	rsync := shell(`rsync -a "$2/" "$1/tree/"`, tree)
	synced := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
		_, err := rsync(ctx, p, warmUp)
		return nil, errors.Join(err, l.syncing(ctx, p))
	}
	drained := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
		if _, err := rsync(ctx, p, warmUp); err != nil {
			return nil, err
		}
		return nil, l.s3.WaitFor(ctx, p.bucket, count, int64(count)*smallSize)
	}
	all, err := l.alternate(ctx, runs,
		l.twice(nameMcfs, l.mcfs(l.s3.URL, nil), synced, rsync),
		l.twice(nameS3FS, l.s3fs(l.s3.URL), rsync, rsync),
		l.twice(nameRclone, l.rclone(afterRenames), drained, rsync),
	)
	return report.Row{
		Series: all,
		Notes: []string{"mcfs until `mcfs sync` returns, which s3fs has no need of; the rclone crypt mount, with `--vfs-write-back 1s`, until the bucket " +
			"holds every file. Again: in a new mount with an empty spool or cache, where nothing is to be copied."},
		Checks: []report.Check{
			ratio(all, "wall", measure.Wall, nameMcfs, nameS3FS, 0.35),
			ratio(all, "wall", measure.Wall, nameMcfs, nameRclone, 0.9),
			ratio(all, "again, wall", measure.More(again), nameMcfs, nameS3FS, 0.9),
		},
	}, err
}

// twice works in one new mount, and then in another of the same bucket, whose
// time becomes a further figure.
func (l *lab) twice(name string, open opener, first, second doing) measure.Contender {
	return measure.Contender{Name: name, Run: func(ctx context.Context, warmUp bool) (measure.Sample, error) {
		return l.withBucket(ctx, func(ctx context.Context, bucket string) (measure.Sample, error) {
			sample, err := l.inMount(ctx, bucket, open, warmUp, first)
			if err != nil {
				return sample, err
			}
			other, err := l.inMount(ctx, bucket, open, warmUp, second)
			sample.More = map[string]float64{again: other.Wall.Seconds()}
			return sample, err
		})
	}}
}

// moveLarge renames a file, which the server must copy.
func moveLarge(ctx context.Context, l *lab) (row report.Row, err error) {
	source, err := l.source(l.size(2 * gib))
	if err != nil {
		return row, err
	}
	sealed, err := l.committed(ctx, source)
	if err != nil {
		return row, err
	}
	bare, err := l.plain(ctx, source)
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, l.s3.Drop(sealed), l.s3.Drop(bare)) }()
	// There and back again: each run finds it where the one before left it.
	move := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
		_, err := shell(`cd "$1"; if [ -e large ]; then mv large moved; else mv moved large; fi`)(ctx, p, warmUp)
		return nil, errors.Join(err, l.syncing(ctx, p))
	}
	const copied = "the server's copy"
	all, err := l.alternate(ctx, runs,
		measure.Contender{Name: copied, Run: func(ctx context.Context, _ bool) (measure.Sample, error) {
			ctx, cancel := limited(ctx)
			defer cancel()
			sample, err := l.metered(ctx, job.Command{Args: []string{l.helper, "copy", l.s3.URL, bare, "large", "copy"}})
			return sample, errors.Join(err, l.s3.Remove(bare, "copy"))
		}},
		l.onKept(nameMcfs, sealed, l.mcfs(l.s3.URL, nil), move),
	)
	return report.Row{
		Series: all,
		Notes:  []string{"`mv` and `mcfs sync`, in a new mount with an empty spool; and one CopyObject of as many bytes by a bare client."},
		Checks: []report.Check{ratio(all, "wall", measure.Wall, nameMcfs, copied, 1.1)},
	}, err
}
