package main

import (
	"context"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/internal/doctor"
	"mcfs/internal/human"
)

const doctorHelp = `Finds out whether the volume of the configuration can work here, and says what to do where
it cannot. Each line is a check: ok, warn or FAIL, what was found, and the cure.

It looks at this machine: FUSE, mounts whose daemon has ended, swap, the limit of open files,
the spool with its disk and space. What one fault would break is said once: what needs a check
that failed is not asked, and named at the end.

--fix mends what is on this machine and can be mended without a loss: a dead mount is taken
away, and the spool's folder is closed to others.

--json prints a line {"v": 1, "type": "item", "check", "verdict", "what", "cure", "fixed"} for
each check, and one of the type "summary" at the end.`

// doctorFlags are the flags of `mcfs doctor`.
type doctorFlags struct {
	config    string
	json, fix bool
}

func newDoctor(std stdio) *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine, and say what to do",
		Long:  doctorHelp,
		Example: `  mcfs doctor
  mcfs doctor --config /etc/mcfs/ingest.toml --fix`,
		Args: exactly(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			return interruptible(c.Context(), func(ctx context.Context) error { return runDoctor(ctx, f, std) })
		},
	}
	c.Flags().StringVarP(&f.config, "config", "c", "", "configuration `FILE`")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	c.Flags().BoolVar(&f.fix, "fix", false, "mend what can be mended on this machine")
	return c
}

func runDoctor(ctx context.Context, f doctorFlags, std stdio) error {
	c, err := loadConfig(f.config)
	checks := append([]doctor.Check{{Name: "configuration", Run: func(context.Context) doctor.Finding { return configured(c, err) }}},
		doctor.Local(hostOf(c))...)
	r := doctor.Examine(ctx, checks, doctor.Options{Fix: f.fix}, func(found doctor.Finding) { doctor.Tell(std.out, found, f.json) })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	doctor.Sum(std.out, r, f.json)
	if n := r.Count[doctor.Fail]; n > 0 {
		return failuref(codeUnsound, "do what the lines with FAIL say", "%s failed", human.Count(n, "check"))
	}
	return nil
}

// configured is the finding about the configuration itself.
func configured(c config.Config, err error) doctor.Finding {
	if err != nil {
		return doctor.Finding{Verdict: doctor.Fail, What: err.Error(), Cure: "correct it; config.example.toml has every key"}
	}
	return doctor.Finding{Verdict: doctor.OK, What: c.Source}
}

// hostOf is this machine as a configuration uses it.
func hostOf(c config.Config) doctor.Host {
	h := doctor.ThisHost()
	h.Source, h.AllowOther, h.Spool, h.SpoolSize = source(c), c.Mount.AllowOther, c.Spool.Dir, int64(c.Spool.MaxSize)
	h.Least = 4 * int64(c.Upload.PartSize)
	return h
}

