package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"mcfs/internal/control"
	"mcfs/internal/demo"
)

const demoHelp = `Shows on this machine, without an account and in a few seconds, what mcfs does,
and proves it with another program:

  it mounts the built-in configuration (a folder instead of S3, a local keyring
  instead of KMS) in a temporary directory, writes a video into it, shows the
  settings beside it and the ciphertext in the store, decrypts that with
  openssl, and reads the video back through a second mount that knows nothing of
  the first. Everything is compared.

It needs FUSE and openssl; with ffmpeg the video is a real one, else random
bytes. Nothing is left behind. The exit status is 0 only if every comparison held.`

// demoTimeout bounds the whole demonstration.
const demoTimeout = 2 * time.Minute

func newDemo(std stdio) *cobra.Command {
	return &cobra.Command{
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
	}
}
