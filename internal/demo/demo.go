package demo

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

	"mcfs/fs"
	"mcfs/internal/mounts"
)

const (
	demoName = "movie.mp4"
	// cleanUpTimeout bounds the end of the mounts.
	cleanUpTimeout = 20 * time.Second
)

// ToolError is a program that the demonstration needs, and that is not installed.
type ToolError struct{ Name string }

func (e ToolError) Error() string {
	return "demo: " + e.Name + " is not installed: install the package " + e.Name
}

// demo is one demonstration.
type demo struct {
	ctx    context.Context
	out    io.Writer
	remove func(ctx context.Context, at string) error
	dir    string
	self   string
	step   int
	mounts []string
}

// Run runs the demonstration. It prints to out, and takes mounts away with unmount where something
// went wrong. Nothing is left behind.
func Run(ctx context.Context, out io.Writer, unmount func(ctx context.Context, at string) error) (err error) {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		return ToolError{"openssl"}
	}
	dir, err := os.MkdirTemp("", "mcfs-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d := &demo{ctx: ctx, out: out, remove: unmount, self: self, dir: dir}
	begun := time.Now()
	defer func() {
		if cerr := d.cleanUp(); err == nil {
			err = cerr
		}
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = fmt.Errorf("demo: %w", cause)
		}
		if err == nil {
			fmt.Fprintf(out, "\nEverything held. %.1f s; nothing is left behind.\n", time.Since(begun).Seconds())
		}
	}()
	return d.show()
}

// headline begins a step.
func (d *demo) headline(format string, args ...any) {
	d.step++
	fmt.Fprintf(d.out, "\n%d. %s\n", d.step, fmt.Sprintf(format, args...))
}

func (d *demo) say(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), " \t\n")
	for line := range strings.Lines(text) {
		fmt.Fprintf(d.out, "   %s\n", strings.TrimRight(line, "\n"))
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
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpTimeout)
	defer cancel()
	for _, at := range d.mounts {
		if _, there := fs.MountAt(at); !there {
			continue
		}
		_ = d.remove(ctx, at)
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
