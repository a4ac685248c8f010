package main

import (
	"context"
	"errors"
	"path/filepath"

	"mcfs/bench/delay"
	"mcfs/bench/job"
	"mcfs/bench/measure"
	"mcfs/bench/peers"
	"mcfs/bench/report"
)

// committed is a new bucket with the file "large", written by mcfs.
func (l *lab) committed(ctx context.Context, source string) (string, error) {
	bucket, err := l.s3.NewBucket(ctx)
	if err != nil {
		return "", err
	}
	_, err = l.inMount(ctx, bucket, l.mcfs(l.s3.URL, nil), false, shell(copyIn, source))
	return bucket, err
}

// plain is a new bucket with the file "large" as it is.
func (l *lab) plain(ctx context.Context, source string) (string, error) {
	bucket, err := l.s3.NewBucket(ctx)
	if err != nil {
		return "", err
	}
	_, err = l.help(ctx, "upload", l.s3.URL, bucket, source, "large")
	return bucket, err
}

func readLarge(ctx context.Context, l *lab) (row report.Row, err error) {
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
	cipher := filepath.Join(l.dir, "cipher") // kept from run to run
	cipherErr := l.fillCipher(ctx, cipher, source)
	local := func(ctx context.Context, _ string) (*peers.Mount, error) { return l.kit.MountGocryptfs(ctx, cipher) }
	const cat, cached, sealedLocal = "rclone cat", "mcfs, cached", "gocryptfs"
	all, err := l.alternate(ctx, runs,
		l.onKept(nameMcfs, sealed, l.mcfs(l.s3.URL, nil), shell(readWhole)),
		measure.Contender{Name: cat, Run: func(ctx context.Context, _ bool) (measure.Sample, error) {
			ctx, cancel := limited(ctx)
			defer cancel()
			return l.metered(ctx, quiet(l.kit.Rclone.Command(l.s3.URL, bare, "cat", "plain:"+bare+"/large")))
		}},
		l.onKept(nameS3FS, bare, l.s3fs(l.s3.URL), shell(readWhole)),
		l.onKept(cached, sealed, readOnce(l.mcfs(l.s3.URL, nil)), shell(readWhole)),
		unless(cipherErr, l.onKept(sealedLocal, "", readOnce(local), shell(readWhole))),
	)
	return report.Row{
		Series: all,
		Notes: []string{"Each in a mount of its own, so that the kernel has nothing of it. Cached, and for gocryptfs alike: the file has been read " +
			"once in that mount, and the kernel was then told to forget its pages."},
		Checks: []report.Check{
			ratio(all, "cold, wall", measure.Wall, nameMcfs, cat, 2.5),
			ratio(all, "cold, wall", measure.Wall, nameMcfs, nameS3FS, 0.8),
			ratio(all, "cached, wall", measure.Wall, cached, sealedLocal, 0.9),
		},
	}, err
}

// readOnce mounts and reads the file, so that whatever caches has it, but for
// the kernel: dd asks it to forget the file.
func readOnce(open opener) opener {
	return func(ctx context.Context, bucket string) (*peers.Mount, error) {
		m, err := open(ctx, bucket)
		if err != nil {
			return nil, err
		}
		_, _, err = job.Run(ctx, job.Shell(readWhole+`; dd if="$1/large" iflag=nocache count=0 status=none`, m.Dir))
		if err != nil {
			m.Abandon()
			return nil, err
		}
		return m, nil
	}
}

// fillCipher makes an encrypted directory that is kept.
func (l *lab) fillCipher(ctx context.Context, cipher, source string) error {
	if err := peers.InitGocryptfs(ctx, cipher); err != nil {
		return err
	}
	open := func(ctx context.Context, _ string) (*peers.Mount, error) { return l.kit.MountGocryptfs(ctx, cipher) }
	_, err := l.inMount(ctx, "", open, false, shell(copyIn, source))
	return err
}

// unless is a contender that fails with the error of its preparation, if any.
func unless(err error, c measure.Contender) measure.Contender {
	if err == nil {
		return c
	}
	return measure.Contender{Name: c.Name, Run: func(context.Context, bool) (measure.Sample, error) { return measure.Sample{}, err }}
}

// quiet throws away what a command prints.
func quiet(c job.Command) job.Command {
	silent := job.Shell(`exec "$@" >/dev/null`, c.Args...)
	silent.Env = c.Env
	return silent
}

// readRandom counts what is fetched for small reads, at a proxy.
func readRandom(ctx context.Context, l *lab) (row report.Row, err error) {
	source, err := l.source(l.size(2 * gib))
	if err != nil {
		return row, err
	}
	bucket, err := l.committed(ctx, source)
	if err != nil {
		return row, err
	}
	proxy, err := delay.Start(l.s3.URL, delay.Options{})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, proxy.Close(), l.s3.Drop(bucket)) }()
	const fetched, each = "fetched, of what was asked", "KiB per request"
	counted := func(verb string, count int) doing {
		return func(ctx context.Context, p place, _ bool) (map[string]float64, error) {
			before := proxy.Counts()
			figures, err := l.help(ctx, verb, p.mount.Path("large"), decimal(int64(count)))
			if err != nil {
				return nil, err
			}
			after := proxy.Counts()
			bytes, requests := float64(after.Received-before.Received), float64(after.Requests-before.Requests)
			return map[string]float64{fetched: bytes / figures["asked"], "requests": requests, each: bytes / requests / 1024}, nil
		}
	}
	places, ordered := l.count(2000), l.count(4096)
	const scattered, inOrder = "mcfs, random 4 KiB", "mcfs, 4 KiB in order"
	all, err := l.alternate(ctx, runs,
		l.onKept(scattered, bucket, l.mcfs(proxy.URL, nil), counted("random", places)),
		l.onKept(inOrder, bucket, l.mcfs(proxy.URL, nil), counted("forward", ordered)),
	)
	random, randomErr := all.Of(scattered)
	grown := ratio(all, "bytes per request, read in order", measure.More(each), inOrder, scattered, 2)
	grown.Least = true
	return report.Row{
		Series: all,
		Notes: []string{"2,000 places at random, and 4,096 in order from the middle of the file, each in a new mount with an empty spool. " +
			"Bytes are counted between mount and server, those of opening included; requests too."},
		Checks: []report.Check{
			{What: "bytes fetched, of what was asked", Value: random.Median(measure.More(fetched)), Limit: 16, Unit: "×", Err: randomErr},
			grown,
		},
	}, err
}
