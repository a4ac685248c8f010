package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/fs"
	"mcfs/internal/control"
	"mcfs/internal/hotfolder"
	"mcfs/internal/jobinput"
	"mcfs/internal/mounts"
	"mcfs/internal/paths"
	"mcfs/internal/status"
	"mcfs/internal/stored"
	"mcfs/internal/verdict"
	"mcfs/mediaconvert/batch"
	"mcfs/mediaconvert/report"
	"mcfs/sidecar"
)

//go:embed help/watch.txt
var watchHelp string

// watchFlags are the flags of `mcfs watch`.
type watchFlags struct {
	jobFlags
	maxJobs int
	every   time.Duration
}

func newWatch(std stdio) *cobra.Command {
	var f watchFlags
	c := &cobra.Command{
		Use:   "watch PATH...",
		Short: "Make a job of each file that is saved: a hot folder",
		Long:  watchHelp,
		Example: `  mcfs watch ~/ingest --match '*.mov' --output s3://deliver/{dir}/{name}/ --role MediaConvert_Role_ARN
  mcfs watch s3://ingest/camera-a/ --config ingest.toml --template house.json`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return err
			}
			defaults, err := jobDefaults(c.Context(), f.config, args[0])
			if err != nil {
				return err
			}
			f.setDefaults(c.Flags(), defaults)
			f.submit, f.detach, f.spelling = true, false, "pascal"
			return runWatch(c.Context(), f, args, std)
		},
	}
	fl := c.Flags()
	f.addDocument(fl)
	fl.StringArrayVar(&f.match, "match", nil, "only files whose names match `PATTERN`, like '*.mov'; may be repeated")
	fl.IntVar(&f.maxJobs, "max-jobs", config.DefaultMaxJobs, "how many jobs are made and followed at once")
	fl.DurationVar(&f.every, "every", config.DefaultEvery, "how often all files are looked at")
	fl.DurationVar(&f.service.poll, "poll", 0, "how often the service is asked for each job (10s)")
	fl.BoolVar(&f.dryRun, "dry-run", false, "say which files have no job, and end")
	f.service.add(c, false)
	return serves(c)
}

// check refuses flags that make no sense.
func (f *watchFlags) check(args []string) error {
	switch {
	case len(args) == 0:
		return usageError{verdict.Errorf(verdict.Usage, "see `mcfs help watch`", "PATH is missing")}
	case f.maxJobs < 1 || f.maxJobs > config.MostMaxJobs:
		return usageError{verdict.Errorf(verdict.Usage, fmt.Sprintf("give 1 to %d", config.MostMaxJobs), "--max-jobs %d", f.maxJobs)}
	case f.every < config.LeastEvery:
		return usageError{verdict.Errorf(verdict.Usage, "give 1s or more", "--every %v", f.every)}
	}
	return checkMatch(f.match)
}

// runWatch watches until a signal comes, which is the end in order.
func runWatch(parent context.Context, f watchFlags, args []string, std stdio) error {
	ctx, stop := untilSignal(parent)
	defer stop()
	o, _, err := f.options(std.in)
	if err != nil {
		return err
	}
	api, region, err := openService(ctx, f.service)
	if err != nil {
		return err
	}
	v, addresses, daemon, err := watchAt(ctx, f.config, args)
	if err != nil {
		return err
	}
	defer v.Close()
	o.Region = region
	b := &batched{s: service{api: api, region: region, flags: f.service}, f: f.jobFlags, o: o, std: std}
	b.s.reread = func(ctx context.Context, address string) (sidecar.Settings, error) {
		return jobinput.ParseSettings(v.Settings(ctx, address))
	}
	folder := hotfolder.Folder{
		Volume: v, Addresses: addresses, Wanted: paths.Source{Match: f.match}.Wanted, API: api, Pace: b.s.pace(),
		Build: hotfolder.Builder{Options: o, Volume: v.Address(), Outputs: batch.NewOutputs()}.Build, MaxJobs: f.maxJobs, Every: f.every,
		Tell: func(n hotfolder.News) { b.news(ctx, n) },
	}
	if daemon != nil {
		folder.Listen = hotfolder.Listener(*daemon)
	}
	run := folder.Run
	if f.dryRun {
		run = folder.Look
	}
	err = run(ctx)
	b.endWatch()
	if errors.As(err, new(signalled)) {
		return nil
	}
	return err
}

// endWatch prints the tally.
func (b *batched) endWatch() {
	c := b.count
	if !b.s.flags.json {
		b.s.say(b.std, "%s", c)
		return
	}
	fmt.Fprintln(b.std.out, c.JSON())
}

// watchAt is the volume in which all paths lie, their addresses, and the daemon of its mount, nil
// where all are addresses.
func watchAt(ctx context.Context, file string, args []string) (v *stored.Volume, addresses []string, daemon *control.Client, err error) {
	table := fs.Mounts()
	for _, p := range args {
		if strings.HasPrefix(p, "s3://") {
			addresses = append(addresses, p)
			continue
		}
		at, inside, mounted, err := mounts.Locate(p, table)
		switch {
		case err != nil:
			return nil, nil, nil, err
		case !mounted:
			return nil, nil, nil, verdict.Errorf(verdict.NotInMount, "mount it, or give an s3:// address with --config", "%s is not in a mount of mcfs", p)
		case daemon != nil && daemon.Mountpoint != at:
			return nil, nil, nil, usageError{verdict.Errorf(verdict.Usage, "watch each with a command of its own", "%s is in another mount than what is before it", p)}
		}
		d := mounts.Daemon(at, table[at])
		daemon, addresses = &d, append(addresses, inside)
		if file == "" {
			if file = status.ConfigOf(ctx, p); file == "" {
				return nil, nil, nil, verdict.Errorf(verdict.Config, "give it with --config", "the configuration of the mount %s cannot be read", at)
			}
		}
	}
	if v, err = openStored(file); err != nil {
		return nil, nil, nil, err
	}
	if v.Address() == "" {
		return nil, nil, nil, verdict.Errorf(verdict.NotInVolume, "watch a volume in S3", "MediaConvert reads from S3 alone, and this volume is a folder")
	}
	for i, at := range addresses {
		if !strings.HasPrefix(at, "s3://") {
			addresses[i] = v.Address() + at
		} else if !strings.HasPrefix(at, strings.TrimSuffix(v.Address(), "/")) {
			return nil, nil, nil, verdict.Errorf(verdict.NotInVolume, "choose another with --config", "%s is not in the volume of this configuration (%s)", at, v.Address())
		}
	}
	return v, addresses, daemon, nil
}

// news tells what becomes of a version.
func (b *batched) news(ctx context.Context, n hotfolder.News) {
	if n.Kind == hotfolder.Unfollowed || n.Kind == hotfolder.Looked {
		return
	}
	s := b.s
	s.path = n.Address
	l, why, outcome := report.Line{Type: "item", Path: n.Address}, []string(nil), n.Err
	if n.Kind == hotfolder.Ended {
		l, why = s.ending(ctx, "item", n.Job) // may ask the store, and nobody waits for that
		outcome = s.outcome(n.Job)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	text := ""
	switch id := aws.ToString(n.Job.Id); n.Kind {
	case hotfolder.Moves:
		if s.flags.json {
			s.tell(n.State, b.std)
		}
		return
	case hotfolder.Would:
		text = "a job would be created"
		b.count.Files++
		b.count.Would++
	case hotfolder.Made:
		text = "job " + id + " is created"
	case hotfolder.Adopted:
		text = "job " + id + " is there already"
	case hotfolder.Replaced:
		text = "was saved again while its job " + id + " waits or runs, which may fail: the new version has a job of its own"
	default:
		b.tell(l, why, outcome)
		b.add(l, outcome)
		return
	}
	if s.flags.json {
		l = s.lineOf("status", n.Job)
		l.Adopted, l.Warnings = n.Kind == hotfolder.Adopted, append(l.Warnings, n.Warnings...)
		if n.Kind == hotfolder.Replaced {
			l.Replaced = []string{n.Address}
		}
		fmt.Fprintln(b.std.out, l.JSON())
		return
	}
	s.say(b.std, "%s: %s", n.Address, text)
	for _, w := range n.Warnings {
		s.say(b.std, "%s: warning: %s", n.Address, w)
	}
}
