package main

import (
	"bufio"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/fs"
	"mcfs/internal/backend"
	"mcfs/internal/doctor"
	"mcfs/internal/human"
	"mcfs/internal/setup"
	"mcfs/internal/verdict"
)

//go:embed help/init.txt
var initHelp string

// initFlags are the flags of `mcfs init`.
type initFlags struct {
	setup.Answers
	config, boot             string
	force, unchecked, dryRun bool
	json                     bool // a program reads, which is not asked
}

func newInit(std stdio) *cobra.Command {
	var f initFlags
	c := &cobra.Command{
		Use:   "init",
		Short: "Make a configuration",
		Long:  initHelp,
		Example: `  mcfs init
  mcfs init --local
  mcfs init --bucket ingest --prefix camera-a/ --key arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab`,
		Args: exactly(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			f.json = wantsJSON(c, nil)
			return interruptible(c.Context(), func(ctx context.Context) error { return runInit(ctx, f, std) })
		},
	}
	fl := c.Flags()
	fl.StringVarP(&f.config, "config", "c", "", "`FILE` to write; else the one that mcfs reads unasked")
	fl.BoolVarP(&f.force, "force", "f", false, "replace what is there")
	fl.BoolVar(&f.Local, "local", false, "keep objects and keys on this machine")
	fl.StringVar(&f.Bucket, "bucket", "", "`NAME` of the bucket")
	fl.StringVar(&f.Prefix, "prefix", "", "`PREFIX` of the volume in it")
	fl.StringVar(&f.Region, "region", "", "`REGION` of the bucket")
	fl.StringVar(&f.Endpoint, "endpoint", "", "`URL` of an S3-compatible server")
	fl.BoolVar(&f.PathStyle, "path-style", false, "the bucket's name goes into the path")
	fl.StringVar(&f.Key, "key", "", "`ARN`, id or alias of the KMS key")
	fl.StringVar(&f.KeyRegion, "key-region", "", "`REGION` of the key, where no ARN says it")
	fl.StringVar(&f.Mountpoint, "mountpoint", "", "`DIR` at which it will be mounted; it is made")
	fl.StringVar(&f.boot, "boot", "", "mount it when the machine starts: "+bootPlaces().Named())
	fl.BoolVar(&f.dryRun, "dry-run", false, "print the configuration, and write nothing")
	fl.BoolVar(&f.unchecked, "unchecked", false, "write it without a proof")
	return failsInJSON(c)
}

func runInit(ctx context.Context, f initFlags, std stdio) error {
	tell := func(format string, args ...any) { fmt.Fprintf(std.err, format+"\n", args...) }
	s := setup.Setup{Answers: f.Answers, Replace: f.force, Boot: setup.Boot(f.boot), Tell: tell, Places: bootPlaces()}
	if s.Boot != setup.BootNone && !slices.Contains(s.Places.Ways(), s.Boot) {
		return usageError{fmt.Errorf("--boot %q: give %s", f.boot, s.Places.Named())}
	}
	if f.dryRun {
		s.DryRun = std.out
	}
	var err error
	if s.Path, err = config.DefaultPath(); f.config != "" {
		s.Path, err = filepath.Abs(f.config)
	}
	if err != nil {
		return err
	}
	if s.Program, err = os.Executable(); err != nil {
		return err
	}
	if setup.IsTerminal(std.in) && setup.IsTerminal(std.err) && !f.Local && !f.json {
		s.Ask = &setup.Terminal{In: bufio.NewReader(std.in), Out: std.err}
	}
	if missing := s.Missing(); len(missing) > 0 {
		return usageError{fmt.Errorf("%s is missing, and there is no terminal to ask: see `mcfs help init`", strings.Join(missing, ", "))}
	}
	if s.Ready = func(at string) error { _, err := fs.Preflight(at, false); return err }; !f.unchecked {
		s.Prove = func(ctx context.Context, c config.Config) bool { return prove(ctx, c, tell) }
	}
	err = s.Run(ctx)
	switch {
	case errors.Is(err, setup.ErrExists):
		return verdict.Errorf(verdict.Exists, "replace it with --force, or give another --config", "%w", err)
	case errors.Is(err, setup.ErrUnsound):
		return verdict.Errorf(verdict.Unsound, "do what the lines with FAIL say, or give --unchecked", "%w, and nothing is written", err)
	case err != nil || s.Ask == nil || f.dryRun:
		return err
	}
	return s.Policies(std.out)
}

// bootPlaces are the system's for root, else the user's.
func bootPlaces() setup.Places {
	home, _ := os.UserHomeDir()
	p := setup.PlacesOf(runtime.GOOS, os.Geteuid() == 0, home, cmp.Or(os.Getenv("XDG_CONFIG_HOME"), filepath.Join(home, ".config")))
	mount, _ := filepath.EvalSymlinks("/bin/mount")
	p.Busybox = filepath.Base(mount) == "busybox"
	return p
}

// prove has the doctor look at a configuration, and tells what is amiss. A mount that has died
// says nothing about a configuration.
func prove(ctx context.Context, c config.Config, tell func(string, ...any)) bool {
	var b strings.Builder
	count := make(map[doctor.Verdict]int)
	_, cloud := examine(ctx, doctorFlags{}, c, nil, func(found doctor.Finding) {
		if found.Check == doctor.DeadMounts {
			return
		}
		if count[found.Verdict]++; found.Verdict != doctor.OK {
			doctor.Tell(&b, found, false)
		}
	})
	cloud.Close()
	tell("%s%s ok", b.String(), human.Count(count[doctor.OK], "check"))
	if count[doctor.Fail] > 0 && backend.UsesAWS(c) {
		tell("where something is not allowed: mcfs init --unchecked writes it all the same, and then mcfs policy mount prints what must be")
	}
	return count[doctor.Fail] == 0 && ctx.Err() == nil
}
