package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/internal/backend"
	"mcfs/internal/human"
	"mcfs/internal/memory"
	"mcfs/internal/mounts"
	"mcfs/internal/verdict"
	"mcfs/keys"
	"mcfs/spool"
)

// maxLacks is how many missing stretches of an export are named at most.
const maxLacks = 20

func newQuarantineExport(std stdio) *cobra.Command {
	c := &cobra.Command{Use: "export ID DEST", Short: "Decrypt what can be read of a file", Long: exportHelp, Args: exactly(2, "ID or DEST")}
	file, dry := configFlag(c), dryRunFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return exportQuarantined(c.Context(), *file, args[0], args[1], *dry, std)
	}
	return endsWith(c, exitSome, exitDamage)
}

// unwrapper returns the configured keeper's unwrapping of data keys. It needs no store.
func unwrapper(ctx context.Context, c config.Config) (spool.Unwrap, error) {
	k, err := keeperAlone(ctx, c)
	if err != nil {
		return nil, err
	}
	return func(wrapped []byte, keyID string) ([]byte, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errors.New("no answer in time"))
		defer cancel()
		return k.Unwrap(ctx, wrapped, keyID)
	}, nil
}

// keeperAlone opens the keeper. It makes no keyring.
func keeperAlone(ctx context.Context, c config.Config) (keys.Keeper, error) {
	if c.Keys.Kind == config.KeysLocal {
		return keys.OpenLocal(c.Keys.Path)
	}
	a, err := backend.LoadAWS(ctx, c)
	if err != nil {
		return nil, err
	}
	return backend.NewKMS(a, c, discard)
}

func exportQuarantined(ctx context.Context, file, id, dest string, dry bool, std stdio) error {
	c, q, err := findQuarantined(file, id)
	if err != nil {
		return err
	}
	if err := checkDest(c, dest); err != nil {
		return err
	}
	if err := memory.NoDump(); err != nil {
		return fmt.Errorf("keep memory out of core dumps: %w", err)
	}
	unwrap, err := unwrapper(ctx, c)
	if err != nil {
		return err
	}
	s, err := spool.OpenSalvage(q, unwrap)
	if errors.Is(err, spool.ErrCorrupt) {
		return statusError{fmt.Errorf("export: nothing can be read: %w", err), exitDamage}
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer s.Close()
	into, done := salvageInto, "exported"
	if dry {
		into, done = salvageNowhere, "would be exported"
	}
	lacks, err := into(s, dest)
	if err != nil {
		return fmt.Errorf("export to %s: %w", dest, err)
	}
	fmt.Fprintf(std.out, "%s %s to %s, %s\n", human.Quoted(s.Header.Path), done, human.Quoted(dest), human.Size(s.Size))
	return tellLacks(s, lacks, dest, std)
}

// checkDest refuses a place in which no plaintext may be, and a file that exists.
func checkDest(c config.Config, dest string) error {
	full, err := filepath.Abs(dest)
	if err != nil {
		return err
	}
	real := filepath.Join(mounts.Real(filepath.Dir(full)), filepath.Base(full))
	if mounts.Within(real, mounts.Real(c.Spool.Dir)) {
		return verdict.Errorf(verdict.Place, "choose another place", "%s lies in the spool, where no plaintext may be", dest)
	}
	if c.Store.Kind == config.StoreDir && mounts.Within(real, mounts.Real(c.Store.Path)) {
		return verdict.Errorf(verdict.Place, "choose another place", "%s lies in the store, where no plaintext may be", dest)
	}
	if _, err := os.Lstat(full); !errors.Is(err, fs.ErrNotExist) {
		return verdict.Errorf(verdict.Exists, "choose another name", "%s exists, and is not replaced", dest)
	}
	return nil
}

// salvageNowhere reads what can be read, and writes nothing.
func salvageNowhere(s *spool.Salvage, _ string) (spool.Lacks, error) {
	return s.Read(func([]byte, int64) error { return nil })
}

// salvageInto writes what can be read into a new file and syncs it. After an error there is
// no file.
func salvageInto(s *spool.Salvage, dest string) (lacks spool.Lacks, err error) {
	f, err := os.OpenFile(dest, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return lacks, err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(dest))
		}
	}()
	lacks, err = s.Read(func(p []byte, off int64) error {
		_, err := f.WriteAt(p, off)
		return err
	})
	return lacks, errors.Join(err, f.Truncate(s.Size), f.Sync())
}

// tellLacks prints what is missing. Its error has the exit status for it.
func tellLacks(s *spool.Salvage, l spool.Lacks, dest string, std stdio) error {
	for _, kind := range []struct {
		list []spool.Range
		why  string
	}{
		{l.Damaged, "damaged"},
		{l.Base, "never in this file: the earlier version's"},
		{l.Sent, "sent already, and dropped from the full spool"},
	} {
		for i, r := range kind.list {
			if i == maxLacks {
				fmt.Fprintf(std.err, "and %d more: %s\n", len(kind.list)-maxLacks, kind.why)
				break
			}
			fmt.Fprintf(std.err, "bytes %d to %d: %s\n", r.Offset, r.Offset+r.Length-1, kind.why)
		}
	}
	switch {
	case len(l.Damaged) > 0:
		return statusError{verdict.With(fmt.Errorf("%s is not whole: what is damaged is zeros there", dest), verdict.Damaged, ""), exitDamage}
	case s.Torn:
		return statusError{verdict.With(fmt.Errorf("%s is not whole: what was written last is missing, since the map is damaged", dest), verdict.Damaged, ""), exitDamage}
	case !l.None():
		return statusError{verdict.With(fmt.Errorf("%s is not whole: what is missing is zeros there", dest), verdict.Incomplete, ""), exitSome}
	}
	return nil
}
