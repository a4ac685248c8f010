package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mcfs/internal/human"
	"mcfs/internal/jobinput"
	"mcfs/internal/jobspec"
	"mcfs/internal/paths"
	"mcfs/internal/verdict"
	"mcfs/mediaconvert/batch"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
	"mcfs/mediaconvert/wire"
)

//go:embed help/job.txt
var jobHelp string

// jobFlags are the flags of `mcfs job`.
type jobFlags struct {
	config, spelling                    string
	spec                                jobspec.Spec
	priority                            int32
	recursive, zero, dryRun, allowPlain bool
	filesFrom                           string
	match                               []string
	parallel                            int
	submit, detach, again               bool
	service                             serviceFlags
}

// serviceFlags say where MediaConvert is, and how often it is asked.
type serviceFlags struct {
	region, endpoint string
	poll, timeout    time.Duration
	json             bool
}

// add gives a command the flags.
func (f *serviceFlags) add(c *cobra.Command, follows bool) {
	c.Flags().StringVar(&f.region, "region", "", "`REGION` in which the job runs; else that of the AWS configuration")
	c.Flags().StringVar(&f.endpoint, "endpoint", "", "`URL` of the service, in place of the region's own")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	if follows {
		c.Flags().DurationVar(&f.poll, "poll", 0, "how often the service is asked (10s)")
		c.Flags().DurationVar(&f.timeout, "timeout", 0, "stop following after this time, and exit with status 7")
	}
}

func newJob(std stdio) *cobra.Command {
	var f jobFlags
	c := &cobra.Command{
		Use:   "job PATH...",
		Short: "Print a MediaConvert job for files, or submit and follow it",
		Long:  jobHelp,
		Example: `  mcfs job ~/ingest/movie.mp4 --output s3://deliver/movie/ --role arn:aws:iam::111122223333:role/MediaConvert >job.json
  mcfs job ~/ingest/movie.mp4 --template house.json --role MediaConvert_Role_ARN --submit
  mcfs job --recursive ~/ingest/day1 --match '*.mov' --output s3://deliver/{dir}/{name}/ --submit
  mcfs job status 1515368087458-qnoxtd`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 && f.filesFrom == "" {
				return usageError{verdict.Errorf(verdict.Usage, "see `mcfs help job`", "PATH is missing")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.checkBatch(c.Flags()); err != nil {
				return err
			}
			first := ""
			if len(args) > 0 {
				first = args[0]
			}
			defaults, err := jobDefaults(c.Context(), f.config, first)
			if err != nil {
				return err
			}
			f.setDefaults(c.Flags(), defaults)
			return runJob(c.Context(), f, args, std)
		},
	}
	fl := c.Flags()
	f.addDocument(fl)
	fl.BoolVar(&f.allowPlain, "allow-plain", false, "take files that mcfs has not encrypted, too, as they are")
	fl.StringVar(&f.spelling, "case", "pascal", "spelling of the document's names: pascal or camel")
	fl.BoolVar(&f.submit, "submit", false, "create the job, and follow it to its end")
	fl.BoolVar(&f.detach, "detach", false, "with --submit: print the job's ID, and do not follow it")
	fl.BoolVar(&f.again, "again", false, "with --submit: make another job of a document whose job is complete")
	fl.BoolVarP(&f.recursive, "recursive", "r", false, "a job for each file at and below each PATH")
	fl.StringVar(&f.filesFrom, "files-from", "", "a job for each path in `FILE`, one a line; - is standard input")
	fl.BoolVarP(&f.zero, "null", "0", false, "with --files-from: paths end with NUL")
	fl.StringArrayVar(&f.match, "match", nil, "with --recursive: only files whose names match `PATTERN`, like '*.mov'; may be repeated")
	fl.IntVarP(&f.parallel, "jobs", "j", defaultParallel, "with --recursive or --files-from: how many jobs are made and followed at once")
	fl.BoolVar(&f.dryRun, "dry-run", false, "with --submit: say what would be done, and create nothing")
	f.service.add(c, true)
	c.AddCommand(newJobStatus(std), newJobWait(std), newJobCancel(std), newJobList(std))
	return endsWith(c, append([]int{exitSome}, jobExits...)...)
}

// addDocument adds the flags that say what job is made.
func (f *jobFlags) addDocument(fl *pflag.FlagSet) {
	fl.StringVarP(&f.config, "config", "c", "", "configuration `FILE`, for s3:// addresses and [job]")
	fl.StringVar(&f.spec.Template, "template", "", "`FILE`, or NAME or ARN of a job template of the service")
	fl.StringVar(&f.spec.Preset, "preset", "", "mp4, hls or abr (mp4)")
	fl.StringVar(&f.spec.Output, "output", "", "where the outputs go, `s3://...`")
	fl.StringVar(&f.spec.SSE, "sse", "", "have S3 encrypt a preset's outputs with its own keys or KMS's: s3 or `kms[:ARN]` (s3)")
	fl.BoolVar(&f.spec.NoAudio, "no-audio", false, "the inputs have no audio; for presets")
	fl.StringVar(&f.spec.Role, "role", "", "`ARN` of the role that MediaConvert takes on")
	fl.StringVar(&f.spec.Queue, "queue", "", "name or ARN of the `QUEUE`")
	fl.StringVar(&f.spec.KMSRegion, "kms-region", "", "`REGION` of the KMS key, in place of the settings' own")
	fl.Int32Var(&f.priority, "priority", 0, "-50 to 50")
	fl.StringArrayVar(&f.spec.Tags, "tag", nil, "`NAME=VALUE` of a tag; may be repeated")
	fl.StringVar(&f.spec.Acceleration, "acceleration", "", "accelerated transcoding: off or preferred")
}

// jobExits are how a job stands when the command ends.
var jobExits = []int{exitJobError, exitJobCanceled, exitRunning}

// runJob prints the document of a job, or submits it.
func runJob(ctx context.Context, f jobFlags, args []string, std stdio) error {
	o, spelling, err := f.options(std.in)
	if err != nil {
		return err
	}
	api, region, err := openService(ctx, f.service)
	if err != nil && f.submit {
		return err
	}
	reader := &jobinput.Reader{Open: openStored, File: f.config, AllowPlain: f.allowPlain}
	defer reader.Close()
	if f.many() {
		o.Region = region
		source := paths.Source{Args: args, List: f.filesFrom, Zero: f.zero, Recursive: f.recursive, Match: f.match, In: std.in}
		source.Below = func(ctx context.Context, address string, do func(paths.Found) bool) bool {
			v, err := reader.Volume()
			if err != nil {
				return do(paths.Found{Path: address, Err: err})
			}
			return v.Below(ctx, address, f.allowPlain, source.Wanted, do)
		}
		b := &batched{s: service{api: api, region: region, flags: f.service}, f: f, o: o, spelling: spelling, read: reader, std: std}
		return runBatch(ctx, b, source)
	}
	inputs, err := reader.ReadAll(ctx, args)
	if err != nil {
		return err
	}
	o.Region = region
	var list []document.Input
	for _, in := range inputs {
		list = append(list, in.Input)
		o.Volumes = append(o.Volumes, in.Volume)
	}
	o.Output = batch.Placed(o.Output, inputs[0].Volume, inputs[0].Settings.FileInput)
	d, err := document.Build(list, o)
	if err != nil {
		return err
	}
	if err := jobs.Ready(d); f.submit && err != nil {
		return err
	}
	for _, w := range d.Warnings {
		fmt.Fprintln(std.err, "warning:", human.Printable(w))
	}
	if f.submit {
		return submitJob(ctx, service{api: api, region: region, flags: f.service, reread: inputs.Reread}, d, f, std)
	}
	text, err := d.JSON(spelling)
	if err != nil {
		return err
	}
	_, err = std.out.Write(text)
	return err
}

// options are what the flags say of the document.
func (f jobFlags) options(in io.Reader) (o document.Options, spelling wire.Case, err error) {
	switch f.spelling {
	case "pascal":
	case "camel":
		spelling = wire.Camel
	default:
		return o, spelling, usageError{fmt.Errorf("--case %q: give pascal or camel", f.spelling)}
	}
	if !f.submit && (f.detach || f.again) {
		return o, spelling, usageError{errors.New("--detach and --again go with --submit")}
	}
	o, err = f.spec.Options(in)
	if errors.As(err, new(jobspec.Mistake)) {
		err = usageError{err}
	}
	return o, spelling, err
}
