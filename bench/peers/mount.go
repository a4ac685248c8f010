// Package peers starts what is compared: mcfs, and the mounts and commands that
// somebody would use in its place, each with the best settings that we know
// for it.
package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mcfs/bench/job"
	"mcfs/fs"
)

const (
	startLimit = time.Minute
	// endLimit is how long a daemon may take to end when its mount is gone.
	endLimit = 20 * time.Second
)

// Mount is a file system that a daemon of ours serves.
type Mount struct {
	Dir    string
	Daemon *job.Daemon

	name    string
	unmount func(ctx context.Context, dir string) error
}

// Kit is what mounts are made of: the programs, and a directory for mountpoints,
// caches and logs.
type Kit struct {
	Dir      string
	Mcfs     string // the binary
	Loopback string
	GeeseFS  string // the binary; "" if there is none
	Rclone   Rclone
	Env      []string // of every daemon: credentials, home
	serial   int
}

// Scratch is a path of that name, like no other, for a directory to be made.
func (k *Kit) Scratch(name string) string {
	k.serial++
	return filepath.Join(k.Dir, fmt.Sprintf("%d-%s", k.serial, name))
}

// mount starts a daemon that mounts at dir and returns when it has.
func (k *Kit) mount(ctx context.Context, name, dir string, c job.Command, unmount func(context.Context, string) error) (*Mount, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	c.Env = append(c.Env, k.Env...)
	d, err := job.Start(c, dir+".log")
	if err != nil {
		return nil, err
	}
	m := &Mount{Dir: dir, Daemon: d, name: name, unmount: unmount}
	err = d.Wait(ctx, startLimit, func() bool {
		_, is := fs.MountAt(dir)
		return is
	})
	if err != nil {
		m.Abandon()
		return nil, fmt.Errorf("mount %s: %w", name, err)
	}
	return m, nil
}

// Path is a file in the mount.
func (m *Mount) Path(elements ...string) string {
	return filepath.Join(append([]string{m.Dir}, elements...)...)
}

// Close unmounts and waits for the daemon's end, also when the context has
// ended: then without waiting for what is pending. Nothing of the mount is left.
func (m *Mount) Close(ctx context.Context) error {
	if ctx.Err() != nil {
		m.Abandon()
		return nil
	}
	err := m.unmount(ctx, m.Dir)
	if err == nil && !m.Daemon.Ended(endLimit) {
		err = errors.New("its daemon does not end")
	}
	if err != nil {
		said := m.Daemon.Said()
		m.Abandon()
		return fmt.Errorf("unmount %s: %w: %s", m.name, err, said)
	}
	return os.Remove(m.Dir)
}

// Abandon takes the mount away whatever its daemon does, and ends the daemon.
func (m *Mount) Abandon() {
	m.Daemon.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	for range 10 { // a daemon that was killed in the midst may have mounted already, or not
		if _, is := fs.MountAt(m.Dir); !is {
			break
		}
		_ = detach(ctx, m.Dir)
	}
	_ = os.Remove(m.Dir)
}

func detach(ctx context.Context, dir string) error {
	_, _, err := job.Run(ctx, job.Command{Args: []string{"fusermount3", "-uz", dir}})
	return err
}

// fusermount unmounts; a program that looks at every new mount may keep it busy
// for a moment.
func fusermount(ctx context.Context, dir string) error {
	var err error
	for deadline := time.Now().Add(endLimit); time.Now().Before(deadline); {
		if _, _, err = job.Run(ctx, job.Command{Args: []string{"fusermount3", "-u", dir}}); err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return err
}
