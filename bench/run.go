package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"mcfs/bench/job"
	"mcfs/bench/measure"
	"mcfs/bench/peers"
	"mcfs/bench/report"
)

// runLimit ends a run that hangs.
const runLimit = 15 * time.Minute

// opener mounts a contender's file system on a bucket.
type opener func(ctx context.Context, bucket string) (*peers.Mount, error)

// settings is mcfs as it is by default, on a bucket of a server.
func (l *lab) settings(endpoint, bucket string, more peers.Settings) peers.Settings {
	s := peers.Settings{
		"store.kind": `"s3"`, "store.bucket": peers.Quote(bucket), "store.region": `"us-east-1"`,
		"store.endpoint": peers.Quote(endpoint), "store.path_style": "true",
		"keys.kind": `"kms"`, "keys.key_id": peers.Quote(l.kms.ARN(0)), "keys.endpoint": peers.Quote(l.kms.URL),
	}
	for name, value := range more {
		s[name] = value
	}
	return s
}

// mcfs mounts with a spool that is new.
func (l *lab) mcfs(endpoint string, more peers.Settings) opener {
	return func(ctx context.Context, bucket string) (*peers.Mount, error) {
		return l.kit.MountMcfs(ctx, l.kit.Scratch("spool"), l.settings(endpoint, bucket, more))
	}
}

func (l *lab) s3fs(endpoint string) opener {
	return func(ctx context.Context, bucket string) (*peers.Mount, error) {
		return l.kit.MountS3FS(ctx, endpoint, bucket)
	}
}

func (l *lab) geesefs(endpoint string) opener {
	return func(ctx context.Context, bucket string) (*peers.Mount, error) {
		return l.kit.MountGeeseFS(ctx, endpoint, bucket)
	}
}

// ifGiven leaves a contender out whose program this machine was not given.
func (l *lab) ifGiven(c measure.Contender) []measure.Contender {
	if l.kit.GeeseFS == "" {
		return nil
	}
	return []measure.Contender{c}
}

func (l *lab) rclone(writeBack time.Duration) opener {
	return func(ctx context.Context, bucket string) (*peers.Mount, error) {
		return l.kit.MountRclone(ctx, l.s3.URL, bucket, l.kit.Scratch("cache"), writeBack)
	}
}

// loopback mounts a local directory that is new.
func (l *lab) loopback(ctx context.Context, _ string) (*peers.Mount, error) {
	return l.kit.MountLoopback(ctx, l.kit.Scratch("original"))
}

// gocryptfs mounts an encrypted local directory that is new.
func (l *lab) gocryptfs(ctx context.Context, _ string) (*peers.Mount, error) {
	cipher := l.kit.Scratch("cipher")
	if err := peers.InitGocryptfs(ctx, cipher); err != nil {
		return nil, err
	}
	return l.kit.MountGocryptfs(ctx, cipher)
}

// place is where a contender works in one run.
type place struct {
	mount  *peers.Mount
	bucket string
}

// doing is work in a place. What it returns are further figures.
type doing func(ctx context.Context, p place, warmUp bool) (map[string]float64, error)

// onFresh is a contender that works in a new mount of a new bucket each time.
// Mounting and unmounting are not counted.
func (l *lab) onFresh(name string, open opener, do doing) measure.Contender {
	return measure.Contender{Name: name, Run: func(ctx context.Context, warmUp bool) (measure.Sample, error) {
		return l.withBucket(ctx, func(ctx context.Context, bucket string) (measure.Sample, error) {
			return l.inMount(ctx, bucket, open, warmUp, do)
		})
	}}
}

// onKept is a contender that works in a new mount of the same bucket each time.
func (l *lab) onKept(name, bucket string, open opener, do doing) measure.Contender {
	return measure.Contender{Name: name, Run: func(ctx context.Context, warmUp bool) (measure.Sample, error) {
		ctx, cancel := limited(ctx)
		defer cancel()
		sample, err := l.inMount(ctx, bucket, open, warmUp, do)
		return sample, errors.Join(err, l.tidy())
	}}
}

// onCommand is a contender that is one command, on a new bucket each time.
func (l *lab) onCommand(name string, command func(bucket string, warmUp bool) job.Command) measure.Contender {
	return measure.Contender{Name: name, Run: func(ctx context.Context, warmUp bool) (measure.Sample, error) {
		return l.withBucket(ctx, func(ctx context.Context, bucket string) (measure.Sample, error) {
			return l.metered(ctx, command(bucket, warmUp))
		})
	}}
}

// alternate is measure.Alternate, and tells of every run as it ends.
func (l *lab) alternate(ctx context.Context, runs int, contenders ...measure.Contender) (measure.All, error) {
	if l.o.before != "" {
		contenders, runs = l.beside(contenders), max(runs, comparedRuns)
	}
	told := make([]measure.Contender, len(contenders))
	for i, c := range contenders {
		told[i] = measure.Contender{Name: c.Name, Run: func(ctx context.Context, warmUp bool) (measure.Sample, error) {
			begun := time.Now()
			sample, err := c.Run(ctx, warmUp)
			what := fmt.Sprintf("%.2f s, CPU %.2f s", sample.Wall.Seconds(), sample.CPU.Seconds())
			if err != nil {
				what = "failed"
			}
			if warmUp {
				what += ", warming up"
			}
			l.say("    %s: %s (%v in all)", c.Name, what, time.Since(begun).Round(time.Second/10))
			return sample, err
		}}
	}
	return measure.Alternate(ctx, runs, told...)
}

func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, runLimit, fmt.Errorf("hangs: not finished after %v", runLimit))
}

// withBucket makes a bucket for one run and leaves nothing of either.
func (l *lab) withBucket(ctx context.Context, run func(ctx context.Context, bucket string) (measure.Sample, error)) (measure.Sample, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	bucket, err := l.s3.NewBucket(ctx)
	if err != nil {
		return measure.Sample{}, err
	}
	sample, err := run(ctx, bucket)
	return sample, errors.Join(err, l.s3.Drop(bucket), l.tidy())
}

// tidy removes what mounts left: spools, caches, logs.
func (l *lab) tidy() error {
	entries, err := os.ReadDir(l.kit.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(l.kit.Dir+"/"+e.Name()))
	}
	return err
}

// inMount mounts, measures the work, and unmounts.
func (l *lab) inMount(ctx context.Context, bucket string, open opener, warmUp bool, do doing) (sample measure.Sample, err error) {
	m, err := open(ctx, bucket)
	if err != nil {
		return sample, err
	}
	defer func() { err = errors.Join(err, m.Close(ctx)) }()
	settle()
	own, err := m.Daemon.Meter()
	if err != nil {
		return sample, err
	}
	server, err := l.s3.Daemon.Meter()
	if err != nil {
		return sample, err
	}
	begun := time.Now()
	more, err := do(ctx, place{m, bucket}, warmUp)
	sample.Wall, sample.More = time.Since(begun), more
	if err != nil {
		return sample, fmt.Errorf("%w (the daemon said: %s)", err, m.Daemon.Said())
	}
	if wall, is := more[ownWall]; is { // the work has measured a part of itself
		sample.Wall = time.Duration(wall * float64(time.Second))
		delete(more, ownWall)
	}
	cost, err := own.Read()
	if err != nil {
		return sample, err
	}
	sample.CPU, sample.Peak = cost.CPU, cost.Peak
	theirs, err := server.Read()
	sample.Server = theirs.CPU
	return sample, err
}

// ownWall is a figure of a doing that takes the place of its wall time, seconds.
const ownWall = "wall"

// metered runs a command that works without a mount.
func (l *lab) metered(ctx context.Context, c job.Command) (measure.Sample, error) {
	settle()
	server, err := l.s3.Daemon.Meter()
	if err != nil {
		return measure.Sample{}, err
	}
	cost, _, err := job.Run(ctx, c)
	if err != nil {
		return measure.Sample{}, err
	}
	theirs, err := server.Read()
	return measure.Sample{Wall: cost.Wall, CPU: cost.CPU, Peak: cost.Peak, Server: theirs.CPU}, err
}

// help runs the helper and parses its figures.
func (l *lab) help(ctx context.Context, args ...string) (map[string]float64, error) {
	_, out, err := job.Run(ctx, l.helperCommand(args...))
	if err != nil {
		return nil, err
	}
	var figures map[string]float64
	if err := json.Unmarshal([]byte(out), &figures); err != nil {
		return nil, fmt.Errorf("the helper printed %q: %w", out, err)
	}
	return figures, nil
}

func (l *lab) helperCommand(args ...string) job.Command {
	return job.Command{Args: append([]string{l.helper}, args...)}
}

// shell is work that is a bash script in the mount, which is $1.
func shell(script string, args ...string) doing {
	return func(ctx context.Context, p place, _ bool) (map[string]float64, error) {
		_, _, err := job.Run(ctx, job.Shell(script, append([]string{p.mount.Dir}, args...)...))
		return nil, err
	}
}

// ratio is a check of two contenders' medians.
func ratio(all measure.All, what string, f measure.Figure, name, to string, limit float64) report.Check {
	value, err := all.Ratio(f, name, to)
	return report.Check{What: fmt.Sprintf("%s, of %s's", what, to), Value: value, Limit: limit, Unit: "×", Err: err}
}

// best is a check against whichever of others has the least median. It fails only where none was measured.
func best(all measure.All, what string, f measure.Figure, name string, limit float64, others ...string) report.Check {
	check := report.Check{What: what + ", of the best of " + strings.Join(others, ", "), Limit: limit, Unit: "×", Err: measure.ErrNone}
	for _, to := range others {
		value, err := all.Ratio(f, name, to)
		if err == nil && (check.Err != nil || value > check.Value) {
			check.Value, check.Err = value, nil
		}
	}
	return check
}

// toward makes a check a direction.
func toward(c report.Check) report.Check {
	c.Toward = true
	return c
}
