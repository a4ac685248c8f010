package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"mcfs/config"
	"mcfs/internal/launchd"
	"mcfs/internal/mounts"
	"mcfs/internal/systemd"
)

// Setup is the making of a configuration.
type Setup struct {
	Answers
	Path    string    // of the configuration
	Replace bool      // what is there
	DryRun  io.Writer // takes the text in place of the file; nil: it is written
	Boot    Boot      // how it is mounted at the start of the machine
	Ask     *Terminal // nil: nobody is asked
	Tell    func(format string, args ...any)
	// Prove has the doctor look at a configuration, and reports whether it can work. nil: it is
	// believed.
	Prove func(context.Context, config.Config) (sound bool)
	// Ready returns why nothing can be mounted at a mountpoint.
	Ready   func(mountpoint string) error
	Places  Places
	Program string // its path, for a unit
}

// ErrUnsound: the answers were tried, and cannot work.
var ErrUnsound = errors.New("the volume cannot work so")

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	return err == nil
}

// Missing are the flags without which nobody who cannot be asked is served.
func (s *Setup) Missing() (flags []string) {
	if s.Local || s.Ask != nil {
		return nil
	}
	if s.Bucket == "" {
		flags = append(flags, "--bucket")
	}
	if s.Key == "" {
		flags = append(flags, "--key")
	}
	if s.Boot != BootNone && s.Mountpoint == "" {
		flags = append(flags, "--mountpoint")
	}
	return flags
}

// Run asks, proves and writes.
func (s *Setup) Run(ctx context.Context) error {
	if !s.Replace && s.DryRun == nil {
		if err := Free(s.Path); err != nil {
			return err
		}
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	if s.DryRun != nil {
		_, err := io.WriteString(s.DryRun, s.Text())
		return err
	}
	if err := s.write(); err != nil {
		return err
	}
	s.Tell("%s is written", s.Path)
	return s.atBoot()
}

// write makes the file. One that cannot be used where it is, as in a folder of others, is removed.
func (s *Setup) write() error {
	if err := Write(s.Path, s.Text(), 0o600, s.Replace); err != nil {
		return err
	}
	_, err := config.Load(s.Path)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("it is not kept, since it could not be used there: %w", err), os.Remove(s.Path))
}

// settle has all answers proved.
func (s *Setup) settle(ctx context.Context) error {
	if s.Ask != nil && !s.Local {
		return s.interview(ctx)
	}
	c, err := s.Config(s.Path)
	if err != nil {
		return err
	}
	if s.Prove != nil && !s.Prove(ctx, c) {
		return ErrUnsound
	}
	return s.ready()
}

// question asks for one answer that no flag has given, or that was wrong.
func (s *Setup) question(ctx context.Context, to *string, again bool, text, standard string) error {
	if *to != "" && !again {
		return nil
	}
	if *to != "" {
		standard = *to
	}
	answer, err := s.Ask.Ask(ctx, text, standard)
	if err == nil {
		*to = answer
	}
	return err
}

// interview asks for what is missing. What does not work is told, and asked again.
func (s *Setup) interview(ctx context.Context) error {
	key := s.Key
	s.Key = "" // the bucket first
	err := s.until(ctx, func(again bool) error {
		for _, q := range []struct {
			to             *string
			text, standard string
		}{
			{&s.Bucket, "Bucket, as it is called in S3", ""},
			{&s.Prefix, "Prefix of the volume in it, - for none", none},
			{&s.Region, "Region of the bucket, - to have it found", none},
		} {
			if err := s.question(ctx, q.to, again, q.text, q.standard); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.Key = key
	err = s.until(ctx, func(again bool) error {
		return s.question(ctx, &s.Key, again, "KMS key that wraps the data keys, its ARN", "")
	})
	if err != nil {
		return err
	}
	return s.whereAndWhen(ctx)
}

// until asks and proves, until it is sound. Without proof once is enough.
func (s *Setup) until(ctx context.Context, ask func(again bool) error) error {
	for again := false; ; again = true {
		if err := ask(again); err != nil {
			return err
		}
		c, err := s.Config(s.Path)
		if err != nil {
			s.Tell("%v", err)
			continue
		}
		if s.Prove == nil || s.Prove(ctx, c) {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// whereAndWhen asks for the mountpoint, and whether it is mounted at the start of the machine.
func (s *Setup) whereAndWhen(ctx context.Context) error {
	home, _ := os.UserHomeDir()
	for again := false; ; again = true {
		if err := s.question(ctx, &s.Mountpoint, again, "Mountpoint, - for later", filepath.Join(home, "ingest")); err != nil {
			return err
		}
		if rest, below := strings.CutPrefix(s.Mountpoint, "~/"); below {
			s.Mountpoint = filepath.Join(home, rest)
		}
		err := s.ready()
		if err == nil {
			break
		}
		s.Tell("%v", err)
	}
	if s.Boot != BootNone || s.Mountpoint == "" {
		return nil
	}
	when := "when the machine starts"
	if s.Places.Agents != "" && s.Places.User {
		when = "when you log in"
	}
	for {
		answer, err := s.Ask.Ask(ctx, fmt.Sprintf("Mount it %s: %s, or - for no", when, s.Places.Named()), none)
		if err != nil {
			return err
		}
		if s.Boot = Boot(answer); s.Boot == BootNone || slices.Contains(s.Places.Ways(), s.Boot) {
			return nil
		}
	}
}

// ready makes the mountpoint, if it is not there, and says why nothing can be mounted at it.
func (s *Setup) ready() error {
	if s.Mountpoint == "" {
		return nil
	}
	if s.DryRun != nil && !exists(s.Mountpoint) {
		return nil // it would be made
	}
	if !filepath.IsAbs(s.Mountpoint) {
		return fmt.Errorf("mountpoint %s: give an absolute path", s.Mountpoint)
	}
	if err := os.MkdirAll(s.Mountpoint, 0o755); err != nil {
		return fmt.Errorf("mountpoint: %w", err)
	}
	c, err := s.Config(s.Path)
	if err != nil {
		return err
	}
	if err := CheckPlaces(mounts.Real(s.Mountpoint), c, ""); err != nil {
		return err
	}
	return s.Ready(s.Mountpoint)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// atBoot writes the line, the unit or the property list. What this user may not write is told.
func (s *Setup) atBoot() (err error) {
	var file, text string
	write := func() error { return Write(file, text, 0o644, s.Replace) }
	switch s.Boot {
	case BootNone:
		return nil
	case BootFstab:
		file = s.Places.Fstab
		text, err = s.Places.FstabLine(s.Path, s.Mountpoint, os.Getuid(), os.Getgid())
		write = func() error { return AppendLine(file, text) }
	case BootUnit:
		file, text = filepath.Join(s.Places.Units, systemd.UnitName(s.Mountpoint)), systemd.Unit(s.Program, s.Path, s.Mountpoint, s.Places.User)
	case BootAgent:
		label := launchd.Label(s.Mountpoint)
		file = filepath.Join(s.Places.Agents, label+".plist")
		text, err = launchd.Agent{Program: s.Program, Configuration: s.Path, Mountpoint: s.Mountpoint, Log: filepath.Join(s.Places.Logs, label+".log")}.List()
	}
	if err == nil {
		err = write()
	}
	if errors.Is(err, os.ErrPermission) {
		s.Tell("have the administrator add this to %s:\n%s", file, text)
		return nil
	}
	if err != nil {
		return err
	}
	s.Tell("%s has it; %s", file, s.Boot.Enable(s.Places, file))
	return nil
}
