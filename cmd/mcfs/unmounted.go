package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/internal/memory"
	"mcfs/internal/offline"
	"mcfs/internal/paths"
	"mcfs/internal/verdict"
)

// The commands that need no mount.

//go:embed help/encrypt.txt
var encryptHelp string

//go:embed help/decrypt.txt
var decryptHelp string

//go:embed help/verify.txt
var verifyHelp string

//go:embed help/rewrap.txt
var rewrapHelp string

//go:embed help/promote.txt
var promoteHelp string

// parallelFiles is how many files are worked on at once.
const parallelFiles = 8

// unmountedFlags are those of the commands that need no mount.
type unmountedFlags struct {
	config, filesFrom, from, shard       string
	manifest                             string
	parallel                             int
	json, dryRun, force, streaming, zero bool
	rate                                 float64
}

// newUnmounted makes a command that needs no mount; do does it.
func newUnmounted(use, short, long string, args cobra.PositionalArgs, std stdio, do func(context.Context, *unmountedFlags, config.Config, offline.Options, []string) error) (*cobra.Command, *unmountedFlags) {
	f := new(unmountedFlags)
	c := &cobra.Command{Use: use, Short: short, Long: long, Args: args, RunE: func(c *cobra.Command, args []string) error {
		if f.parallel < 1 || f.parallel > mostParallel {
			return usageError{verdict.Errorf(verdict.Usage, fmt.Sprintf("give 1 to %d", mostParallel), "-j %d", f.parallel)}
		}
		shard, err := f.part()
		if err != nil {
			return usageError{err}
		}
		conf, err := loadConfig(f.config)
		if err != nil {
			return err
		}
		if err := memory.NoDump(); err != nil {
			return fmt.Errorf("keep memory out of core dumps: %w", err)
		}
		o := offline.Options{Parallel: f.parallel, DryRun: f.dryRun, JSON: f.json, Shard: shard, Out: std.out, Err: std.err}
		return interruptible(c.Context(), func(ctx context.Context) error { return do(ctx, f, conf, o, args) })
	}}
	c.Flags().StringVarP(&f.config, "config", "c", "", "configuration `FILE`")
	c.Flags().IntVarP(&f.parallel, "jobs", "j", parallelFiles, "how many files are worked on at once")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON lines")
	c.Flags().StringVar(&f.shard, "shard", "", "do `I/N`, one of N equal parts of the files; /N in an array job")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and do nothing")
	return c, f
}

func newEncrypt(std stdio) *cobra.Command {
	c, f := newUnmounted("encrypt SRC DST", "Encrypt a file or a tree into the bucket, without a mount", encryptHelp, exactly(2, "SRC or DST"), std,
		func(ctx context.Context, f *unmountedFlags, conf config.Config, o offline.Options, args []string) error {
			at, err := offline.ParsePlace(conf, args[1])
			if err != nil {
				return err
			}
			return offline.Encrypt(ctx, offline.Encryption{Options: o, Config: conf, Source: args[0], In: std.in, Target: at, Force: f.force})
		})
	c.Flags().BoolVarP(&f.force, "force", "f", false, "encrypt anew what is there already")
	c.Example = `  mcfs encrypt /mnt/card/day1 s3://ingest/camera-a/day1/
  ffmpeg -i film.mov -f mpegts - | mcfs encrypt - s3://ingest/camera-a/film.ts`
	return endsWith(c, exitSome)
}

func newDecrypt(std stdio) *cobra.Command {
	c, f := newUnmounted("decrypt SRC DST", "Decrypt an object or a tree into files, without a mount", decryptHelp, exactly(2, "SRC or DST"), std,
		func(ctx context.Context, f *unmountedFlags, conf config.Config, o offline.Options, args []string) error {
			at, err := offline.ParsePlace(conf, args[0])
			if err != nil {
				return err
			}
			return offline.Decrypt(ctx, offline.Decryption{Options: o, Config: conf, Source: at, Manifest: f.manifest, Target: args[1], Force: f.force, Streaming: f.streaming})
		})
	c.Flags().BoolVarP(&f.force, "force", "f", false, "replace files that are there already")
	f.addManifest(c)
	c.Flags().BoolVar(&f.streaming, "streaming", false, "of GCM, write plaintext before its tag is checked: each object is read once")
	c.Example = `  mcfs decrypt s3://ingest/camera-a/film.mov film.mov
  mcfs decrypt s3://ingest/camera-a/day1/ /mnt/restore/day1`
	return endsWith(c, exitSome, exitDamage)
}

func newVerify(std stdio) *cobra.Command {
	var check offline.Check
	c, f := newUnmounted("verify PATH...", "Check whole objects against what was recorded of them", verifyHelp, nil, std,
		func(ctx context.Context, f *unmountedFlags, conf config.Config, o offline.Options, args []string) error {
			if err := f.checkPaths(args); err != nil {
				return err
			}
			o.Once = f.filesFrom == "-"
			check.Options, check.Config, check.OwnVersion = o, conf, versionLine()
			check.Args, check.Places, check.More = args, f.places(args, std), f.filesFrom != ""
			check.Manifest = f.manifest
			return check.Run(ctx)
		})
	c.Flags().StringVar(&check.Sample, "sample", "100%", "check `N%` of the files, drawn at random")
	c.Flags().StringVar(&check.Against, "against", "", "compare PATH with what it was encrypted of: the file or tree `SRC`")
	c.Flags().StringVar(&check.MHL, "mhl", "", "compare PATH with the media hash list `FILE`")
	c.Flags().StringVar(&check.WriteMHL, "write-mhl", "", "make a media hash list of PATH: the new `FILE`")
	c.Flags().StringVar(&check.Hash, "hash", "xxh64", "with --write-mhl: `HASHES` of xxh64, xxh3, xxh128, md5, sha1, c4")
	c.Flags().StringVar(&check.ReportName, "report", "", "write a table of all files, as CSV, into the new `FILE`")
	f.addList(c)
	f.addManifest(c)
	c.Example = `  mcfs verify s3://ingest/camera-a/day1/ --report day1.csv
  mcfs verify s3://ingest/camera-a/day1/ --against /mnt/card/day1
  mcfs verify s3://ingest/camera-a/day1/ --mhl /mnt/card/day1/ascmhl/0001_day1.mhl`
	return endsWith(c, exitSome, exitDamage)
}

func newRewrap(std stdio) *cobra.Command {
	c, f := newUnmounted("rewrap PATH...", "Move data keys to the KMS key of the configuration", rewrapHelp, nil, std,
		func(ctx context.Context, f *unmountedFlags, conf config.Config, o offline.Options, args []string) error {
			if err := f.checkPaths(args); err != nil {
				return err
			}
			if !(f.rate >= 1 && f.rate <= mostRate) {
				return usageError{verdict.Errorf(verdict.Usage, fmt.Sprintf("give 1 to %d", mostRate), "--rate %v", f.rate)}
			}
			o.Once = f.filesFrom == "-"
			if !f.json {
				fmt.Fprintf(std.err, "at most %v requests a second to the key (--rate)\n", f.rate)
			}
			return offline.Rewrap(ctx, offline.Rewrapping{Options: o, Config: conf, Rate: f.rate, Manifest: f.manifest, Places: f.places(args, std)})
		})
	c.Flags().Float64Var(&f.rate, "rate", 100, "at most `N` requests a second to KMS, whose limits all of an account share")
	f.addList(c)
	f.addManifest(c)
	c.Example = `  mcfs rewrap --config new-key.toml s3://ingest/camera-a/`
	return endsWith(c, exitSome, exitDamage)
}

func newPromote(std stdio) *cobra.Command {
	c, f := newUnmounted("promote --from FILE PATH...", "Take files to another store and key, encrypted as they are", promoteHelp, nil, std,
		func(ctx context.Context, f *unmountedFlags, conf config.Config, o offline.Options, args []string) error {
			if err := f.checkPaths(args); err != nil {
				return err
			}
			from, err := loadConfig(f.from)
			if err != nil {
				return err
			}
			o.Once = f.filesFrom == "-"
			return offline.Promote(ctx, offline.Promotion{Options: o, From: from, Config: conf, Force: f.force, Manifest: f.manifest, Places: f.places(args, std)})
		})
	c.Flags().StringVar(&f.from, "from", "", "configuration `FILE` of the volume from which they come")
	c.Flags().BoolVarP(&f.force, "force", "f", false, "replace files that are there already")
	f.addList(c)
	f.addManifest(c)
	c.Example = `  mcfs promote --from local.toml --config ingest.toml ~/.local/share/mcfs/store/day1`
	return endsWith(c, exitSome, exitDamage)
}

// mostRate is how many requests a second can be asked for.
const mostRate = 10_000

// addList adds the flags of a list of paths.
func (f *unmountedFlags) addList(c *cobra.Command) {
	c.Flags().StringVar(&f.filesFrom, "files-from", "", "each path in `FILE`, too, one a line; - is standard input")
	c.Flags().BoolVarP(&f.zero, "null", "0", false, "with --files-from: paths end with NUL")
}

// addManifest adds the flag of an inventory.
func (f *unmountedFlags) addManifest(c *cobra.Command) {
	c.Flags().StringVar(&f.manifest, "manifest", "", "the files of an S3 Inventory: its manifest.json, `FILE` or s3://BUCKET/KEY")
}

// part is the shard that is asked for. With an inventory an array job does its own by default.
func (f *unmountedFlags) part() (offline.Shard, error) {
	if f.shard == "" && f.manifest != "" {
		return offline.ArrayShard(os.Getenv)
	}
	return offline.ParseShard(f.shard, os.Getenv)
}

// places are the paths of the command line and of the list.
func (f *unmountedFlags) places(args []string, std stdio) offline.Places {
	source := paths.Source{Args: args, List: f.filesFrom, Zero: f.zero, In: std.in}
	return func(ctx context.Context, do func(string, error) bool) error {
		return source.Each(ctx, func(p paths.Found) bool { return do(p.Path, p.Err) })
	}
}

// checkPaths refuses a list that makes no sense.
func (f *unmountedFlags) checkPaths(args []string) error {
	switch {
	case f.manifest != "" && (len(args) > 0 || f.filesFrom != ""):
		return usageError{verdict.Errorf(verdict.Usage, "leave out the one or the other", "--manifest names the files, and goes without PATH and --files-from")}
	case len(args) == 0 && f.filesFrom == "" && f.manifest == "":
		return usageError{verdict.Errorf(verdict.Usage, "see mcfs help and the command's name", "PATH is missing")}
	case f.zero && f.filesFrom == "":
		return usageError{verdict.Errorf(verdict.Usage, "give --files-from, or leave it out", "-0 goes with --files-from")}
	}
	return nil
}
