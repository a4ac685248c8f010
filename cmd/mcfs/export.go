package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/internal/backend"
	"mcfs/internal/human"
	"mcfs/internal/memory"
	"mcfs/internal/offline"
	"mcfs/internal/setaside"
	"mcfs/internal/verdict"
	"mcfs/spool"
)

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
	k, err := backend.Keeper(ctx, c)
	if err != nil {
		return nil, err
	}
	return func(wrapped []byte, keyID string) ([]byte, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errors.New("no answer in time"))
		defer cancel()
		return k.Unwrap(ctx, wrapped, keyID)
	}, nil
}

// checkDest refuses a place in which no plaintext may be, and a file that exists.
func checkDest(c config.Config, dest string) error {
	if err := offline.CheckPlaintext(c, dest); err != nil {
		return err
	}
	if _, err := os.Lstat(dest); !errors.Is(err, fs.ErrNotExist) {
		return verdict.Errorf(verdict.Exists, "choose another name", "%s exists, and is not replaced", dest)
	}
	return nil
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
	into, done := setaside.Into, "exported"
	if dry {
		into, done = setaside.Nowhere, "would be exported"
	}
	lacks, err := into(s, dest)
	if err != nil {
		return fmt.Errorf("export to %s: %w", dest, err)
	}
	fmt.Fprintf(std.out, "%s %s to %s, %s\n", human.Quoted(s.Header.Path), done, human.Quoted(dest), human.Size(s.Size))
	return setaside.Tell(std.err, s, lacks, dest)
}
