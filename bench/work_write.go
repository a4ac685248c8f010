package main

import (
	"context"
	"time"

	"mcfs/bench/job"
	"mcfs/bench/measure"
	"mcfs/bench/peers"
	"mcfs/bench/report"
	"mcfs/store/s3/s3test/sink"
)

const (
	nameGCM    = "mcfs, GCM"
	nameCBC    = "mcfs, CBC"
	nameCopyto = "rclone copyto"
	namePipe   = "openssl | rclone rcat"
	nameFloor  = "the upload's floor"
	nameOver   = "mcfs, over a committed file"
)

// sources are the file that is copied, and a quarter of it for warming up.
func (l *lab) sources(size int64) (func(warmUp bool) string, int64, error) {
	size = l.size(size)
	whole, err := l.source(size)
	if err != nil {
		return nil, 0, err
	}
	part, err := l.source(size / 4)
	return func(warmUp bool) string {
		if warmUp {
			return part
		}
		return whole
	}, size, err
}

// largeWrites is one file of 2 GiB, by everybody, in turn.
func (l *lab) largeWrites(ctx context.Context) (measure.All, error) {
	return l.writes.get(func() (measure.All, error) {
		source, size, err := l.sources(2 * gib)
		if err != nil {
			return nil, err
		}
		copyLarge := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
			return shell(copyIn, source(warmUp))(ctx, p, warmUp)
		}
		drained := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
			if _, err := copyLarge(ctx, p, warmUp); err != nil {
				return nil, err
			}
			if warmUp {
				return nil, l.s3.WaitFor(ctx, p.bucket, 1, size/4)
			}
			return nil, l.s3.WaitFor(ctx, p.bucket, 1, size)
		}
		rclone := l.kit.Rclone
		over := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
			if err := l.readyOver(ctx, p, source(warmUp)); err != nil {
				return nil, err
			}
			begun := time.Now()
			_, err := copyLarge(ctx, p, warmUp)
			return map[string]float64{ownWall: time.Since(begun).Seconds()}, err
		}
		contenders := []measure.Contender{
			l.onFresh(nameMcfs, l.mcfs(l.s3.URL, mode("CTR")), copyLarge),
			l.onFresh(nameOver, l.mcfs(l.s3.URL, mode("CTR")), over),
			l.onCommand(nameCopyto, func(bucket string, warmUp bool) job.Command {
				return rclone.Command(l.s3.URL, bucket, "copyto", source(warmUp), "plain:"+bucket+"/large")
			}),
			l.onFresh(nameS3FS, l.s3fs(l.s3.URL), copyLarge),
			l.onCommand(namePipe, func(bucket string, warmUp bool) job.Command {
				return rclone.Pipe(l.s3.URL, bucket, source(warmUp), "large")
			}),
			l.onFresh(nameGCM, l.mcfs(l.s3.URL, mode("GCM")), copyLarge),
			l.onFresh(nameRclone, l.rclone(0), drained),
			l.onFresh(nameCBC, l.mcfs(l.s3.URL, mode("CBC")), copyLarge),
			l.onCommand(nameFloor, func(bucket string, warmUp bool) job.Command {
				return l.helperCommand("upload", l.s3.URL, bucket, source(warmUp), "large")
			}),
			l.onFresh(nameLoopback, l.loopback, copyLarge),
		}
		contenders = append(contenders, l.ifGiven(l.onFresh(nameGeeseFS, l.geesefs(l.s3.URL), copyLarge))...)
		return l.alternate(ctx, runs, contenders...)
	})
}

// readyOver puts a file where the next one is to be written, and lets the disk come to rest.
func (l *lab) readyOver(ctx context.Context, p place, source string) error {
	if _, err := shell(copyIn, source)(ctx, p, false); err != nil {
		return err
	}
	settle()
	return nil
}

func writeWall(ctx context.Context, l *lab) (report.Row, error) {
	all, err := l.largeWrites(ctx)
	return report.Row{
		Series: all,
		Notes: []string{
			"Random bytes, key of 256 bits, mcfs in its default configuration. A mount's CPU is its daemon's, without `cp`; " +
				"a command's is its own with its children. The rclone crypt mount counts until the bucket holds the file. " +
				"Warming up takes a quarter of the file. rclone's flags: `" + l.kit.Rclone.Flags() + "`.",
		},
		Checks: []report.Check{
			best(all, "wall", measure.Wall, nameMcfs, 0.75, nameCopyto, nameS3FS, nameGeeseFS),
			ratio(all, "over a committed file, wall", measure.Wall, nameOver, nameMcfs, 1.05),
			ratio(all, "wall", measure.Wall, nameMcfs, namePipe, 0.6),
			ratio(all, "wall", measure.Wall, nameMcfs, nameRclone, 0.35),
			toward(ratio(all, "wall", measure.Wall, nameMcfs, nameFloor, 1.3)),
		},
	}, err
}

func writeCPU(ctx context.Context, l *lab) (report.Row, error) {
	all, err := l.largeWrites(ctx)
	return report.Row{
		Notes: []string{"From the runs of [write](#write)."},
		Checks: []report.Check{
			ratio(all, "CPU", measure.CPU, nameMcfs, nameS3FS, 0.8),
			toward(ratio(all, "CPU", measure.CPU, nameMcfs, nameLoopback, 1.2)),
		},
	}, err
}

func writeModes(ctx context.Context, l *lab) (report.Row, error) {
	all, err := l.largeWrites(ctx)
	chained := report.Check{What: "CBC's CPU, more than CTR's, per GiB", Limit: 1.5, Unit: "s"}
	if cbc, err := all.Of(nameCBC); err != nil {
		chained.Err = err
	} else if ctr, err := all.Of(nameMcfs); err != nil {
		chained.Err = err
	} else {
		chained.Value = (cbc.Median(measure.CPU) - ctr.Median(measure.CPU)) / (float64(l.size(2*gib)) / gib)
	}
	gcm := ratio(all, "GCM's CPU", measure.CPU, nameGCM, nameMcfs, 1.15)
	gcm.What = "GCM's CPU, of CTR's"
	return report.Row{Notes: []string{"From the runs of [write](#write)."}, Checks: []report.Check{gcm, chained}}, err
}

// writeClient has a server that costs nothing.
func writeClient(ctx context.Context, l *lab) (report.Row, error) {
	source, _, err := l.sources(2 * gib)
	if err != nil {
		return report.Row{}, err
	}
	copyLarge := func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
		return shell(copyIn, source(warmUp))(ctx, p, warmUp)
	}
	all, err := l.alternate(ctx, runs,
		l.onSink(nameMcfs, sink.Options{}, nil, func(*sink.Server) doing { return copyLarge }),
		l.onFresh(nameLoopback, l.loopback, copyLarge),
	)
	return report.Row{
		Series: all,
		Notes:  []string{"The sink reads what arrives and forgets it; the loopback writes to the local disk, without the kernel's passthrough."},
		Checks: []report.Check{ratio(all, "wall", measure.Wall, nameMcfs, nameLoopback, 1.4)},
	}, err
}

const (
	linkRate   = 250 << 20 // bytes per second that the limited sink takes
	writerRate = 200 << 20 // bytes per second that are written meanwhile
)

// closeTime writes slower than the link and looks at what is left for close.
func closeTime(ctx context.Context, l *lab) (report.Row, error) {
	const closes = "close, s"
	var part int64
	paced := func(size int64) func(s *sink.Server) doing {
		return func(s *sink.Server) doing {
			return func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
				if warmUp {
					size = min(size, l.size(gib/2))
				}
				figures, err := l.help(ctx, "write", p.mount.Path("large"), decimal(size), decimal(writerRate))
				part = max(part, s.Counts().LargestPart)
				return map[string]float64{closes: figures["close"], "write, s": figures["write"]}, err
			}
		}
	}
	link := sink.Options{Rate: linkRate}
	small, err := l.alternate(ctx, runs, l.onSink("mcfs, 2 GiB", link, nil, paced(l.size(2*gib))))
	if err != nil {
		return report.Row{}, err
	}
	large, err := l.alternate(ctx, 1, l.onSink("mcfs, 16 GiB", link, nil, paced(l.size(16*gib))))
	all := append(small, large...)
	three := 3 * float64(part) / linkRate
	var checks []report.Check
	for _, name := range []string{"mcfs, 2 GiB", "mcfs, 16 GiB"} {
		s, err := all.Of(name)
		checks = append(checks, report.Check{
			What: "close of " + name + ", against the time of three parts", Unit: "ms",
			Value: 1000 * s.Median(measure.More(closes)), Limit: 1000 * three, Err: err,
		})
	}
	return report.Row{
		Series: all, Checks: checks,
		Notes: []string{"The link takes 250 MiB/s in all, the writer gives 200 MiB/s. Three parts are three of the largest that arrived: " +
			decimal(part>>20) + " MiB each. 16 GiB are written once."},
	}, err
}

// muxer counts what arrives of a file whose header is patched at its end.
func muxer(ctx context.Context, l *lab) (report.Row, error) {
	clip := l.dir + "/clip.mp4"
	shoot := job.Shell(`ffmpeg -v error -y -f rawvideo -s 1280x720 -pix_fmt yuv420p -r 25 -i /dev/urandom -frames:v 50 -c:v mjpeg -q:v 2 "$1" </dev/null`, clip)
	if _, _, err := job.Run(ctx, shoot); err != nil {
		return report.Row{}, err
	}
	const sent, size = "MiB sent", "MiB of the object"
	mux := func(s *sink.Server) doing {
		return func(ctx context.Context, p place, warmUp bool) (map[string]float64, error) {
			_, err := shell(`ffmpeg -v error -y -stream_loop -1 -i "$2" -c copy -fs "$3" -f mp4 "$1/film.mp4" </dev/null`, clip, decimal(l.size(gib)))(ctx, p, warmUp)
			return map[string]float64{sent: float64(s.Sent("film.mp4")) / (1 << 20), size: float64(s.Size("film.mp4")) / (1 << 20)}, err
		}
	}
	all, err := l.alternate(ctx, 2, l.onSink("mcfs, CTR", sink.Options{}, mode("CTR"), mux), l.onSink(nameGCM, sink.Options{}, mode("GCM"), mux))
	var checks []report.Check
	for _, name := range []string{"mcfs, CTR", nameGCM} {
		s, err := all.Of(name)
		check := report.Check{What: name + ": bytes sent, of the object's", Limit: 1, Unit: "×", Err: err}
		if err == nil {
			check.Value = s.Median(measure.More(sent)) / s.Median(measure.More(size))
		}
		checks = append(checks, check)
	}
	return report.Row{
		Series: all, Checks: checks,
		Notes: []string{"ffmpeg remuxes a clip of MJPEG over and over, and patches the size of `mdat` in the first bytes when it ends. " +
			"Counted at a sink: every byte of the object that arrives, those of uploads that are given up included."},
	}, err
}

// syncing waits for what is behind a mount of mcfs.
func (l *lab) syncing(ctx context.Context, p place) error {
	_, _, err := job.Run(ctx, l.kit.Sync(p.mount.Dir))
	return err
}

// The waits of rclone's mount before it uploads.
const (
	atOnce       = 0
	afterRenames = time.Second
)

var spooled = peers.Settings{"mount.durability": `"spool"`}
