package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/spf13/cobra"

	"mcfs/internal/human"
	"mcfs/internal/jobinput"
	"mcfs/mediaconvert/jobs"
	"mcfs/mediaconvert/report"
	"mcfs/sidecar"
)

// jobCommand makes a command that is about jobs that exist, with the flags of all of them. It
// follows one, or tells by its exit status how one stands.
func jobCommand(use, short, long string, args cobra.PositionalArgs, follows, tells bool, do func(context.Context, service, []string) error) *cobra.Command {
	var f serviceFlags
	var file string
	c := &cobra.Command{Use: use, Short: short, Long: long, Args: args}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration `FILE`, for s3:// addresses and [job]")
	f.add(c, follows)
	if tells {
		endsWith(c, jobExits...)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		path := ""
		if len(args) > 0 && c.Name() == "list" {
			path = args[0]
		}
		defaults, err := jobDefaults(c.Context(), file, path)
		if err != nil {
			return err
		}
		f.setDefaults(c.Flags(), defaults)
		api, region, err := openService(c.Context(), f)
		if err != nil {
			return err
		}
		reread := func(ctx context.Context, address string) (sidecar.Settings, error) {
			text, err := storedSettings(ctx, file, address)
			return jobinput.ParseSettings(text, err)
		}
		return do(c.Context(), service{api: api, region: region, flags: f, reread: reread}, args)
	}
	return c
}

func newJobStatus(std stdio) *cobra.Command {
	return jobCommand("status ID", "Show how a job stands", `Shows how a job stands: where it waits, how far it is, where its outputs are, or why it
failed. The exit status says it, too: 0 is complete.`,
		exactly(1, "ID"), false, true, func(ctx context.Context, s service, args []string) error {
			j, err := jobs.Get(ctx, s.api, s.pace(), args[0])
			if err != nil {
				return err
			}
			if !s.flags.json {
				s.tell(jobs.StateOf(j), std)
			}
			return s.summary(ctx, j, std)
		})
}

func newJobWait(std stdio) *cobra.Command {
	return jobCommand("wait ID", "Follow a job to its end", `Follows a job to its end, as mcfs job --submit does. An interrupt stops the following,
never the job.`,
		exactly(1, "ID"), true, true, func(parent context.Context, s service, args []string) error {
			ctx, stop := untilSignal(parent)
			defer stop()
			return s.follow(ctx, args[0], std)
		})
}

func newJobCancel(std stdio) *cobra.Command {
	return jobCommand("cancel ID", "Cancel a job that waits or runs", `Cancels a job that waits or runs. One that has ended is left as it is, and the command fails.`,
		exactly(1, "ID"), false, false, func(ctx context.Context, s service, args []string) error {
			if err := jobs.Cancel(ctx, s.api, s.pace(), args[0]); err != nil {
				return err
			}
			if s.flags.json {
				fmt.Fprintln(std.out, report.Line{Type: "summary", ID: args[0], Status: string(types.JobStatusCanceled)}.JSON())
			}
			s.say(std, "job %s is cancelled", args[0])
			return nil
		})
}

// listed is how many jobs are shown.
const listed = 100

func newJobList(std stdio) *cobra.Command {
	most := func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageError{fmt.Errorf("unexpected argument %q: mcfs job list [PATH]", args[1])}
		}
		return nil
	}
	return jobCommand("list [PATH]", "Show the jobs that mcfs has made, or those of a file", `Shows the latest jobs that mcfs has made in this account and region; with PATH, in a mount
or an s3:// address, those that have it as an input, whoever made them.`,
		most, false, false, func(ctx context.Context, s service, args []string) error {
			list, err := s.find(ctx, args)
			if err != nil {
				return err
			}
			for _, j := range list {
				s.show(j, std)
			}
			if s.flags.json {
				fmt.Fprintf(std.out, `{"v":1,"type":"summary","jobs":%d}`+"\n", len(list))
			}
			return nil
		})
}

// find returns the jobs of a path, or of mcfs.
func (s service) find(ctx context.Context, args []string) ([]types.Job, error) {
	if len(args) == 0 {
		return jobs.List(ctx, s.api, s.pace(), listed)
	}
	address := args[0]
	if !strings.HasPrefix(address, "s3://") {
		settings, err := jobinput.ParseSettings(jobinput.MountedSettings(ctx, address))
		if err != nil {
			return nil, err
		}
		address = settings.FileInput
	}
	return jobs.Search(ctx, s.api, s.pace(), address, listed)
}

// show prints a job in one line.
func (s service) show(j types.Job, std stdio) {
	if s.flags.json {
		fmt.Fprintln(std.out, s.lineOf("item", j).JSON())
		return
	}
	fmt.Fprintln(std.out, human.Printable(report.Row(j)))
}
