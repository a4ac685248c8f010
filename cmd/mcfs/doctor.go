package main

import (
	"bufio"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/crypt"
	"mcfs/internal/acceptance"
	"mcfs/internal/backend"
	"mcfs/internal/doctor"
	"mcfs/internal/human"
	"mcfs/internal/setup"
	"mcfs/internal/verdict"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
	"mcfs/store/s3"
)

//go:embed help/doctor.txt
var doctorHelp string

// doctorFlags are the flags of `mcfs doctor`.
type doctorFlags struct {
	config, queue, region, endpoint, role, output string

	json, fix, transcode, yes bool
	poll, timeout             time.Duration
}

func newDoctor(std stdio) *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine, bucket, key and queue, and say what to do",
		Long:  doctorHelp,
		Example: `  mcfs doctor
  mcfs doctor --config /etc/mcfs/ingest.toml --fix`,
		Args: exactly(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			if f.transcode && (f.role == "" || f.output == "") {
				return usageError{errors.New("--transcode needs --role and --output")}
			}
			return interruptible(c.Context(), func(ctx context.Context) error { return runDoctor(ctx, f, std) })
		},
	}
	fl := c.Flags()
	fl.StringVarP(&f.config, "config", "c", "", "configuration `FILE`")
	fl.StringVar(&f.queue, "queue", "", "name or `ARN` of the jobs' queue (job.queue, or Default)")
	fl.StringVar(&f.region, "region", "", "`REGION` in which jobs run; else that of the AWS configuration")
	fl.StringVar(&f.endpoint, "endpoint", "", "`URL` of MediaConvert, in place of the region's own")
	fl.StringVar(&f.role, "role", "", "`ARN` of the role that jobs take on")
	fl.StringVar(&f.output, "output", "", "`s3://...` where jobs put what they make (job.output)")
	fl.BoolVar(&f.transcode, "transcode", false, "have MediaConvert transcode a clip in each form of encryption")
	fl.BoolVarP(&f.yes, "yes", "y", false, "with --transcode: do not ask")
	fl.DurationVar(&f.poll, "poll", 0, "with --transcode: how often the service is asked (10s)")
	fl.DurationVar(&f.timeout, "timeout", 0, "with --transcode: how long the jobs may take (30m)")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.BoolVar(&f.fix, "fix", false, "mend what can be mended on this machine")
	return c
}

func runDoctor(ctx context.Context, f doctorFlags, std stdio) error {
	c, err := loadConfig(f.config)
	tell := func(found doctor.Finding) { doctor.Tell(std.out, found, f.json) }
	r, cloud := examine(ctx, f, c, err, tell)
	defer cloud.Close()
	if err := f.accept(ctx, c, cloud, r, tell, std); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	doctor.Sum(std.out, r, f.json)
	if n := r.Count[doctor.Fail]; n > 0 {
		return verdict.Errorf(verdict.Unsound, "do what the lines with FAIL say", "%s failed", human.Count(n, "check"))
	}
	return nil
}

// examine makes all checks of a configuration, or of this machine alone if it could not be read.
func examine(ctx context.Context, f doctorFlags, c config.Config, unread error, tell func(doctor.Finding)) (r doctor.Result, cloud doctor.Cloud) {
	checks := append([]doctor.Check{configured("configuration", c.Source, unread)}, doctor.Local(hostOf(c))...)
	var probe *doctor.Probe
	if unread == nil && backend.UsesAWS(c) {
		var err error
		if cloud, err = f.cloud(ctx, c); err != nil {
			checks = append(checks, configured("AWS", "", err))
		} else {
			probe = doctor.NewProbe(cloud.Store)
			checks = append(checks, doctor.Remote(cloud, probe)...)
		}
	}
	r = doctor.Examine(ctx, checks, doctor.Options{Fix: f.fix}, tell)
	if err := probe.Clean(ctx); err != nil {
		r.Count[doctor.Fail]++
		tell(doctor.Finding{Check: "probe", Verdict: doctor.Fail, What: err.Error(), Cure: "remove it by hand"})
	}
	return r, cloud
}

// accept runs the acceptance kit, if that is asked and nothing has failed.
func (f doctorFlags) accept(ctx context.Context, c config.Config, cloud doctor.Cloud, r doctor.Result, tell func(doctor.Finding), std stdio) error {
	if !f.transcode || r.Count[doctor.Fail] > 0 || ctx.Err() != nil {
		return nil
	}
	if cloud.Store == nil || cloud.Key == nil || cloud.Jobs == nil {
		return verdict.Errorf(verdict.Config, "give --config, and --endpoint where MediaConvert is elsewhere", "--transcode: the volume is none that MediaConvert reads")
	}
	if f.json && !f.yes {
		return verdict.Errorf(verdict.Unconfirmed, "give --yes", "nothing is transcoded, since with --json nobody is asked whether to make %s", acceptance.Cost)
	}
	if !f.yes {
		someone := setup.Terminal{In: bufio.NewReader(std.in), Out: std.err}
		answer, err := someone.Ask(ctx, "--transcode makes "+acceptance.Cost+". Go on?", "no")
		if answer = strings.ToLower(answer); err != nil || answer != "y" && answer != "yes" {
			return verdict.Errorf(verdict.Unconfirmed, "answer y, or give --yes", "nothing is transcoded")
		}
	}
	kit := acceptance.Kit{
		Store: cloud.Store, Keeper: cloud.Key, API: cloud.Jobs, Pace: jobs.Pace{Every: f.poll}, Limit: f.timeout, Probe: doctor.NewProbe(cloud.Store),
		Options: document.Options{Role: f.role, Output: f.output, Queue: cmp.Or(f.queue, c.Job.Queue), Region: cloud.Jobs.Options().Region, Volumes: []string{cloud.Store.Address("")}},
	}
	mode, err := crypt.ParseMode(string(c.Crypt.Mode))
	if err != nil {
		return err
	}
	own := acceptance.Form{Mode: mode, IVBytes: c.Crypt.IVBytes, Bits: c.Keys.Bits}
	err = kit.Run(ctx, func(o acceptance.Outcome) {
		found := o.Finding(own)
		r.Count[found.Verdict]++
		tell(found)
	})
	if err != nil {
		return verdict.Errorf(verdict.Incomplete, "remove and cancel by hand what is named", "%w", err)
	}
	return nil
}

// withRole adds the role, if one is asked about.
func (f doctorFlags) withRole(a aws.Config, c config.Config, cloud doctor.Cloud) (doctor.Cloud, error) {
	if f.role == "" {
		return cloud, nil
	}
	if cloud.Store == nil || cloud.Key == nil {
		return cloud, errors.New("--role: only a volume in S3 under a KMS key is read by jobs")
	}
	client := iam.NewFromConfig(a, func(o *iam.Options) { o.Region = cmp.Or(o.Region, c.Store.Region, "us-east-1") })
	region := cmp.Or(f.region, c.Job.Region, a.Region, c.Store.Region)
	role, err := doctor.NewRole(client, f.role, cloud.Store.Address(""), cmp.Or(f.output, c.Job.Output), region, cloud.Queue)
	role.Key = cloud.Key.KeyID
	cloud.Role = &role
	return cloud, err
}

// configured is the check of a configuration that was read, or could not be.
func configured(name, source string, err error) doctor.Check {
	found := doctor.Finding{Verdict: doctor.OK, What: source}
	if err != nil {
		found = doctor.Finding{Verdict: doctor.Fail, What: err.Error(), Cure: "correct it; config.example.toml has every key"}
	}
	return doctor.Check{Name: name, Run: func(context.Context) doctor.Finding { return found }}
}

// hostOf is this machine as a configuration uses it.
func hostOf(c config.Config) doctor.Host {
	h := doctor.ThisHost()
	h.Source, h.AllowOther, h.Spool, h.SpoolSize = source(c), c.Mount.AllowOther, c.Spool.Dir, int64(c.Spool.MaxSize)
	h.Least = 4 * int64(c.Upload.PartSize)
	return h
}

// cloud is what the configuration uses of AWS. Whom the credentials are of is asked where Amazon's
// services are used; a queue has use only where MediaConvert can read the bucket.
func (f doctorFlags) cloud(ctx context.Context, c config.Config) (doctor.Cloud, error) {
	a, err := backend.LoadAWS(ctx, c)
	if err != nil {
		return doctor.Cloud{}, err
	}
	cloud := doctor.Cloud{Credentials: a.Credentials, Bucket: c.Store.Bucket, Queue: cmp.Or(f.queue, c.Job.Queue, "Default"), Now: time.Now}
	inAWS := c.Store.Kind == config.StoreS3 && c.Store.Endpoint == ""
	if inAWS || os.Getenv("AWS_ENDPOINT_URL_STS") != "" {
		cloud.Identity = sts.NewFromConfig(a, func(o *sts.Options) { o.Region = cmp.Or(o.Region, c.Store.Region, "us-east-1") })
	}
	if c.Store.Kind == config.StoreS3 {
		st, err := backend.OpenStore(a, c, discard)
		if err != nil {
			return cloud, err
		}
		cloud.Store = st.(*s3.Store)
	}
	if c.Keys.Kind == config.KeysKMS {
		if cloud.Key, err = backend.NewKMS(a, c, discard); err != nil {
			return cloud, err
		}
		if cloud, err = f.withJobs(a, c, cloud, inAWS); err != nil {
			return cloud, err
		}
	}
	return f.withRole(a, c, cloud)
}

func (f doctorFlags) withJobs(a aws.Config, c config.Config, cloud doctor.Cloud, inAWS bool) (_ doctor.Cloud, err error) {
	endpoint := cmp.Or(f.endpoint, c.Job.Endpoint)
	if inAWS || endpoint != "" {
		cloud.Jobs, err = jobs.NewClient(a, cmp.Or(f.region, c.Job.Region, a.Region, c.Store.Region), endpoint)
	}
	return cloud, err
}
