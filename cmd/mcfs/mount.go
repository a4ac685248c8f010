package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/fs"
	"mcfs/internal/fstab"
	"mcfs/internal/memory"
	"mcfs/internal/mounts"
	"mcfs/internal/systemd"
	"mcfs/internal/watchdog"
)

//go:embed help/mount.txt
var mountHelp string

// mountFlags are the flags of `mcfs mount`.
type mountFlags struct {
	config, logFile string
	background      bool
	json            bool // the daemon's failure, too
	options         []string
	helper          bool
	readyFD         int
	unused          struct { // flags of mount(8) that need no action here
		sloppy, fake, noMtab, verbose bool
		namespace, kind               string
	}
}

func newMount(std stdio) *cobra.Command {
	var f mountFlags
	c := &cobra.Command{
		Use:   "mount MOUNTPOINT",
		Short: "Mount a volume",
		Long:  mountHelp,
		Example: `  mcfs mount ~/ingest
  mcfs mount ~/ingest --config ingest.toml --background
  mcfs mount /mnt/ingest -o allow_other,uid=1000
  mcfs mount ~/ingest -o sidecars=hidden`,
		Args: func(c *cobra.Command, args []string) error {
			if f.helper {
				return exactly(2, "SOURCE or MOUNTPOINT")(c, args)
			}
			return exactly(1, "MOUNTPOINT")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			f.json = wantsJSON(c, nil)
			return runMount(c.Context(), f, args, std)
		},
	}
	flags := c.Flags()
	flags.StringVarP(&f.config, "config", "c", "", "configuration `FILE`")
	flags.BoolVarP(&f.background, "background", "b", false, "return when mounted, and serve on")
	flags.StringVar(&f.logFile, "log-file", "", "append the log to `FILE` (with --background: mcfs.log in the spool folder)")
	flags.StringSliceVarP(&f.options, "options", "o", nil, "mount `OPTIONS`, separated by commas")
	flags.BoolVar(&f.helper, helperFlag, false, "called by mount(8)")
	flags.IntVar(&f.readyFD, readyFlag, 0, "started by --background")
	flags.BoolVarP(&f.unused.sloppy, "sloppy", "s", false, "")
	flags.BoolVarP(&f.unused.fake, "fake", "f", false, "")
	flags.BoolVarP(&f.unused.noMtab, "no-mtab", "n", false, "")
	flags.BoolVarP(&f.unused.verbose, "verbose", "v", false, "")
	flags.StringVarP(&f.unused.namespace, "namespace", "N", "", "")
	flags.StringVarP(&f.unused.kind, "type", "t", "", "")
	for _, hidden := range []string{helperFlag, readyFlag, "sloppy", "fake", "no-mtab", "verbose", "namespace", "type"} {
		_ = flags.MarkHidden(hidden)
	}
	return serves(endsWith(failsInJSON(c), exitSome))
}

func runMount(ctx context.Context, f mountFlags, args []string, std stdio) error {
	o, err := f.resolve(args)
	if err != nil {
		return err
	}
	if f.unused.fake {
		return nil
	}
	if cleared, err := mounts.ClearDead(o.mountpoint); err != nil {
		return err
	} else if cleared {
		fmt.Fprintf(std.err, "the daemon of %s had ended, and its mount is taken away; this one goes on with what was not finished\n", o.mountpoint)
	}
	if f.background {
		ctx, stop := signal.NotifyContext(ctx, endSignals...)
		defer stop()
		// Checked here, too, so that an error comes without starting the daemon.
		if _, err := fs.Preflight(o.mountpoint, o.config.Mount.AllowOther); err != nil {
			return err
		}
		return background(ctx, f.again(o), std)
	}
	return serveMount(ctx, o, f.readyFD, std)
}

// resolve reads the configuration and makes every path absolute.
func (f *mountFlags) resolve(args []string) (o mountOptions, err error) {
	parsed, err := fstab.Parse(f.options)
	if err != nil {
		return o, usageError{err}
	}
	mountpoint, file := args[len(args)-1], cmp.Or(f.config, parsed.Config)
	if f.helper {
		f.background = f.readyFD == 0
		file = cmp.Or(file, fstab.Source(args[0]))
	}
	if err := findHome(); err != nil {
		return o, err
	}
	if o.mountpoint, err = filepath.Abs(mountpoint); err != nil {
		return o, err
	}
	if file == "" {
		if file, _, err = config.Find(); err != nil {
			return o, err
		}
	}
	if f.config, err = absolute(file); err != nil {
		return o, err
	}
	if o.config, err = loadConfig(file); err != nil {
		return o, err
	}
	o.file, o.asRead = f.config, o.config
	if f.config != "" {
		o.config.Source = f.config // for other commands, whose working directory is another
	}
	if o.logFile, err = absolute(cmp.Or(f.logFile, parsed.LogFile)); err != nil {
		return o, err
	}
	if o.logFile == "" && (f.background || f.readyFD != 0) {
		o.logFile = defaultLog(o.config)
	}
	applyOptions(parsed, &o)
	return o, nil
}

func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

// again returns the arguments of the daemon in the background.
func (f *mountFlags) again(o mountOptions) []string {
	args := []string{"--log-file", o.logFile}
	if f.config != "" {
		args = append(args, "--config", f.config)
	}
	if f.json {
		args = append(args, "--json")
	}
	if len(f.options) > 0 {
		args = append(args, "-o", strings.Join(f.options, ","))
	}
	return append(args, "--", o.mountpoint)
}

// serveMount mounts, and serves the mount until it ends.
func serveMount(ctx context.Context, o mountOptions, readyFD int, std stdio) error {
	signal.Ignore(syscall.SIGPIPE) // a log that nobody reads any more must not end the mount
	if err := memory.NoDump(); err != nil {
		return fmt.Errorf("keep memory out of core dumps: %w", err)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, endSignals...)
	defer signal.Stop(signals)
	starting, cancel := context.WithCancel(ctx)
	defer cancel()
	var d *daemon
	var err error
	early := firstSignal(signals, cancel, func() { d, err = start(starting, o, std) })
	if err != nil {
		if starting.Err() != nil && errors.Is(err, context.Canceled) {
			return errors.New("interrupted before the mount was made")
		}
		return err
	}
	if readyFD != 0 {
		if err := d.detachFromTerminal(readyFD); err != nil {
			d.log.Error("cannot serve in the background", "err", err)
			d.requestStop(true)
		}
	}
	systemd.Notify("READY=1\nMAINPID=" + strconv.Itoa(os.Getpid()))
	d.watchdog = watchdog.Start(lookCommand(d.o.mountpoint), d.log)
	return leftOver(d.serve(ctx, early, signals))
}

// leftOver gives the error of a mount that has ended as it was asked to a status of its own: that it could not
// finish everything is no cause to mount it again, which a start that has failed is.
func leftOver(err error) error {
	if err == nil {
		return nil
	}
	return statusError{err, exitSome}
}

// firstSignal runs f, and calls cancel if a signal comes meanwhile, which it returns. Others
// stay in the channel, so that each signal counts once.
func firstSignal(signals <-chan os.Signal, cancel func(), f func()) (first os.Signal) {
	returned := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case first = <-signals:
			cancel()
		case <-returned:
		}
	})
	f()
	close(returned)
	wg.Wait()
	return first
}
