package main

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"mcfs/internal/control"
	"mcfs/internal/demo"
)

//go:embed help/demo.txt
var demoHelp string

// demoTimeout bounds the whole demonstration.
const demoTimeout = 2 * time.Minute

func newDemo(std stdio) *cobra.Command {
	return failsInJSON(&cobra.Command{
		Use:     "demo",
		Short:   "Show and prove all of it on this machine, without an account",
		Long:    demoHelp,
		Example: "  mcfs demo",
		Args:    exactly(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			return interruptible(c.Context(), func(ctx context.Context) error {
				ctx, cancel := context.WithTimeoutCause(ctx, demoTimeout, fmt.Errorf("not finished after %v", demoTimeout))
				defer cancel()
				return demo.Run(ctx, std.out, func(ctx context.Context, at string) error {
					return unmount(ctx, at, control.Unmount{Now: true}, func(string) {})
				})
			})
		},
	})
}
