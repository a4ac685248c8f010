package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mcfs/fs"
	"mcfs/internal/control"
	"mcfs/internal/mounts"
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

const (
	demoName = "movie.mp4"
	// demoTimeout bounds the whole demonstration.
	demoTimeout = 2 * time.Minute
	// demoCleanup bounds the end of its mounts.
	demoCleanup = 20 * time.Second
)

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
				return runDemo(ctx, std)
			})
		},
	}
}

// demo is one demonstration.
type demo struct {
	ctx    context.Context
	std    stdio
	dir    string
	self   string
	step   int
	mounts []string
}

func runDemo(ctx context.Context, std stdio) (err error) {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		return failuref(codeTool, "install the package openssl", "demo: openssl is not installed")
	}
	dir, err := os.MkdirTemp("", "mcfs-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d := &demo{ctx: ctx, std: std, self: self, dir: dir}
	begun := time.Now()
	defer func() {
		if cerr := d.cleanUp(); err == nil {
			err = cerr
		}
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = fmt.Errorf("demo: %w", cause)
		}
		if err == nil {
			fmt.Fprintf(std.out, "\nEverything held. %.1f s; nothing is left behind.\n", time.Since(begun).Seconds())
		}
	}()
	return d.show()
}

// headline begins a step.
func (d *demo) headline(format string, args ...any) {
	d.step++
	fmt.Fprintf(d.std.out, "\n%d. %s\n", d.step, fmt.Sprintf(format, args...))
}

func (d *demo) say(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), " \t\n")
	for line := range strings.Lines(text) {
		fmt.Fprintf(d.std.out, "   %s\n", strings.TrimRight(line, "\n"))
	}
}

// path returns a path in the temporary directory.
func (d *demo) path(elements ...string) string {
	return filepath.Join(append([]string{d.dir}, elements...)...)
}

// environment returns the environment of a daemon without a configuration. The data folder
// is shared by both mounts, the state folder is not.
func (d *demo) environment(state string) []string {
	return append(os.Environ(),
		"MCFS_CONFIG=", "XDG_CONFIG_HOME="+d.path("config"),
		"XDG_DATA_HOME="+d.path("data"), "XDG_STATE_HOME="+d.path(state))
}

// mount starts a daemon and shows the command.
func (d *demo) mount(name, state string) error {
	at := d.path(name)
	if err := os.Mkdir(at, 0o700); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d.say("$ mcfs mount --background %s", at)
	d.mounts = append(d.mounts, at)
	return d.mcfs(d.environment(state), "mount", "--background", at)
}

func (d *demo) unmount(name string) error {
	at := d.path(name)
	d.say("$ mcfs unmount %s", at)
	return d.mcfs(os.Environ(), "unmount", at)
}

// mcfs runs this program.
func (d *demo) mcfs(env []string, args ...string) error {
	cmd := exec.CommandContext(d.ctx, d.self, args...)
	cmd.Args[0] = "mcfs"
	cmd.Env = env
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("demo: mcfs %s: %s", args[0], strings.TrimPrefix(strings.TrimSpace(said.String()), "mcfs: "))
	}
	return nil
}

// output runs another program and returns what it prints.
func (d *demo) output(name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(d.ctx, name, args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("demo: %s: %w: %s", name, err, strings.TrimSpace(said.String()))
	}
	return out, nil
}

// cleanUp ends the mounts, also after a failure or an interruption, and then
// removes the directory, which no mount is in any more.
func (d *demo) cleanUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), demoCleanup)
	defer cancel()
	for _, at := range d.mounts {
		if _, there := fs.MountAt(at); !there {
			continue
		}
		_ = unmount(ctx, at, control.Unmount{Now: true}, func(string) {})
		if _, there := fs.MountAt(at); there {
			_ = mounts.Detach(at)
		}
	}
	for _, at := range d.mounts {
		if _, there := fs.MountAt(at); there {
			return fmt.Errorf("demo: %s is still mounted: unmount it, and remove %s", at, d.dir)
		}
	}
	if err := os.RemoveAll(d.dir); err != nil {
		return fmt.Errorf("demo: clean up: %w", err)
	}
	return nil
}

// head returns the beginning of a file.
func head(path string, n int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	defer f.Close()
	b := make([]byte, n)
	k, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("demo: read %s: %w", path, err)
	}
	return b[:k], nil
}
