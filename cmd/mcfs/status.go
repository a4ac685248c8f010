package main

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/internal/status"
	"mcfs/internal/web"
)

//go:embed help/status.txt
var statusHelp string

// statusFlags are the flags of `mcfs status`.
type statusFlags struct {
	config           string
	json, watch, web bool
}

func newStatus(std stdio) *cobra.Command {
	var f statusFlags
	c := &cobra.Command{
		Use:   "status [PATH]",
		Short: "Show drafts, uploads, failures and the cache",
		Long:  statusHelp,
		Example: `  mcfs status
  mcfs status ~/ingest/day1 --watch
  mcfs status --web
  mcfs status --json | jq '.mounts[].drafts[]? | select(.failure) | .path'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("unexpected argument %q: mcfs status [PATH]", args[1])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			s := status.Survey{Named: f.config != "", Load: func() (config.Config, error) { return loadConfig(f.config) }}
			if len(args) > 0 {
				s.Path = args[0]
			}
			return interruptible(c.Context(), func(ctx context.Context) error {
				if f.web {
					return web.Show(ctx, web.OfSurvey(s), std.out)
				}
				if f.watch {
					return status.Watch(ctx, s, std.out, f.json)
				}
				return status.Print(ctx, s, std.out, f.json)
			})
		},
	}
	c.Flags().StringVarP(&f.config, "config", "c", "", "configuration `FILE`, whose mount alone is shown")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	c.Flags().BoolVarP(&f.watch, "watch", "w", false, "go on showing it")
	c.Flags().BoolVar(&f.web, "web", false, "show it as a page for a browser of this machine, and print the address")
	c.MarkFlagsMutuallyExclusive("web", "watch")
	c.MarkFlagsMutuallyExclusive("web", "json")
	return c
}
