package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/bench/report"
)

// rowLimit ends a row in which something hangs.
const rowLimit = 20 * time.Minute

// options are what the command line says.
type options struct {
	only      *regexp.Regexp
	scale     float64
	out       string
	dir       string // for everything that is written; a temporary directory of the system's if empty
	versitygw string
	rclone    string
	geesefs   string // "" leaves it out
	objects   string // directory of the server's objects; "" is below dir
	before    string // another mcfs, to compare with; then no peers run
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures what args choose. A goal that was missed is no error.
func run(ctx context.Context, args []string, stdout, progress io.Writer) (err error) {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	l, err := newLab(ctx, o, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	begun := time.Now()
	rows, err := l.rows(ctx)
	if err != nil {
		return err
	}
	m := l.machine(ctx)
	m.When, m.Took = begun, time.Since(begun)
	return save(o.out, stdout, m, rows)
}

func parse(args []string, output io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(output)
	only := flags.String("only", "", "rows whose names match this `REGEXP`: "+names())
	flags.Float64Var(&o.scale, "scale", 1, "sizes and counts, of the targets'; below 1 for a trial")
	flags.StringVar(&o.out, "out", "", "`FILE` to write; - for the terminal (of everything at full size bench/RESULTS.md, else -)")
	flags.StringVar(&o.dir, "dir", "", "directory of a disk with room for 12 GiB (a temporary one)")
	flags.StringVar(&o.versitygw, "versitygw", os.Getenv("VERSITYGW"), "the S3 server's binary ($VERSITYGW)")
	flags.StringVar(&o.rclone, "rclone", cmp.Or(os.Getenv("RCLONE"), "rclone"), "the rclone to measure ($RCLONE)")
	flags.StringVar(&o.geesefs, "geesefs", os.Getenv("GEESEFS"), "a geesefs to measure, if there is one ($GEESEFS)")
	flags.StringVar(&o.objects, "objects", memoryDir(), "directory for what the S3 server holds, with room for 8 GiB; in memory it takes no share of the disk")
	flags.StringVar(&o.before, "before", "", "compare with this other mcfs `BINARY` alone, and with no peer")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	if o.scale <= 0 || o.scale > 1 {
		return o, fmt.Errorf("-scale %g: above 0, at most 1", o.scale)
	}
	if o.out == "" {
		if o.out = "-"; *only == "" && o.scale == 1 && o.before == "" {
			o.out = "bench/RESULTS.md"
		}
	}
	if o.versitygw == "" {
		return o, errors.New("no S3 server: make versitygw, and give its binary by -versitygw or $VERSITYGW")
	}
	return o, nil
}

// memoryDir is the directory of a file system in memory that has room for what the server holds; "" if
// there is none.
func memoryDir() string {
	const shm, room = "/dev/shm", 8 << 30
	var s unix.Statfs_t
	if unix.Statfs(shm, &s) != nil || int64(s.Bavail)*int64(s.Bsize) < room {
		return ""
	}
	return shm
}

func names() string {
	var all []string
	for _, w := range works {
		all = append(all, w.name)
	}
	return strings.Join(all, ", ")
}

// rows measures the chosen rows, one after the other. Its error is an
// interruption: whatever else fails is a line of the results.
func (l *lab) rows(ctx context.Context) ([]report.Row, error) {
	var rows []report.Row
	for _, w := range works {
		if !l.o.only.MatchString(w.name) {
			continue
		}
		l.say("%s: %s", w.name, w.work)
		begun := time.Now()
		rowCtx, cancel := context.WithTimeoutCause(ctx, rowLimit, fmt.Errorf("not finished after %v", rowLimit))
		row, err := w.run(rowCtx, l)
		cancel()
		row.Name, row.Work, row.Took = w.name, w.work, time.Since(begun)
		if l.o.before != "" {
			row.Checks, row.Notes = comparisons(row.Series), nil
		} else {
			row.Missed = explanation(w.name)
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
		if err != nil {
			row.Checks = append(row.Checks, report.Check{What: "all", Err: err})
		}
		rows = append(rows, row)
		l.tell(row)
	}
	return rows, nil
}

// tell shows a row's verdicts as soon as they are known.
func (l *lab) tell(row report.Row) {
	for _, c := range row.Checks {
		l.say("  %s", c)
	}
	l.say("  in %v", row.Took.Round(time.Second))
}

func save(path string, stdout io.Writer, m report.Machine, rows []report.Row) error {
	if path == "-" {
		return report.Write(stdout, m, rows)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(report.Write(f, m, rows), f.Close())
}
