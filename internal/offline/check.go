package offline

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"mcfs/config"
	"mcfs/internal/mhl"
	"mcfs/internal/verdict"
)

// Check is what is asked of `mcfs verify`, in the words of its flags.
type Check struct {
	Options
	Config                 config.Config
	Args                   []string // each PATH of the command line
	Places                 Places   // and of a list
	More                   bool     // there is a list
	Sample, Against        string
	MHL, WriteMHL, Hash    string
	Manifest               string // of an inventory, instead of Args and Places
	ReportName, OwnVersion string
}

// Run does it.
func (c Check) Run(ctx context.Context) (err error) {
	sample, kinds, err := c.check()
	if err != nil {
		return err
	}
	if c.ReportName != "" {
		r, err := NewReport(c.ReportName)
		if err != nil {
			return err
		}
		c.Report = r.Add
		defer func() { err = errors.Join(err, r.Close()) }()
	}
	if c.kind() == "" {
		return Verify(ctx, Verification{Options: c.Options, Config: c.Config, Sample: sample, Places: c.Places, Manifest: c.Manifest})
	}
	at, err := ParsePlace(c.Config, c.Args[0])
	switch {
	case err != nil:
		return err
	case c.MHL != "":
		return CompareList(ctx, ListComparison{Options: c.Options, Config: c.Config, List: c.MHL, Place: at, Sample: sample})
	case c.WriteMHL != "":
		return MakeList(ctx, ListMaking{Options: c.Options, Config: c.Config, List: c.WriteMHL, Place: at, Kinds: kinds, Version: c.OwnVersion})
	}
	return Compare(ctx, Comparison{Options: c.Options, Config: c.Config, Source: c.Against, Place: at, Sample: sample})
}

// kind is the flag that says with what PATH is compared; "": none.
func (c Check) kind() string {
	switch {
	case c.MHL != "":
		return "--mhl"
	case c.WriteMHL != "":
		return "--write-mhl"
	case c.Against != "":
		return "--against"
	}
	return ""
}

// check refuses what makes no sense, and reads how many of a hundred files are looked at, and the
// hashes that are made.
func (c Check) check() (sample float64, kinds []mhl.Kind, err error) {
	sample, err = strconv.ParseFloat(strings.TrimSuffix(c.Sample, "%"), 64)
	if err != nil || !(sample > 0 && sample <= 100) {
		return 0, nil, wrongUse("give more than 0%, and at most 100%", "--sample %s", c.Sample)
	}
	if kinds, err = mhl.ParseKinds(c.Hash); err != nil {
		return 0, nil, wrongUse("give some of xxh64, xxh3, xxh128, md5, sha1 and c4, with commas between them", "--hash %s", c.Hash)
	}
	given := 0
	for _, flag := range []string{c.MHL, c.WriteMHL, c.Against} {
		if flag != "" {
			given++
		}
	}
	switch kind := c.kind(); {
	case given > 1:
		return 0, nil, wrongUse("give one of them", "--against, --mhl and --write-mhl each say what is done")
	case kind != "" && (len(c.Args) != 1 || c.More):
		return 0, nil, wrongUse("name the one place that it is about", "%s goes with one PATH", kind)
	case kind == "--write-mhl" && (sample < 100 || c.Shard.Of > 1):
		return 0, nil, wrongUse("leave out --sample and --shard", "--write-mhl makes a list of all files")
	}
	return sample, kinds, nil
}

// wrongUse is a mistake in a command line.
func wrongUse(cure, format string, args ...any) error {
	return verdict.Ended{Err: verdict.Errorf(verdict.Usage, cure, format, args...), Status: verdict.StatusUsage}
}
