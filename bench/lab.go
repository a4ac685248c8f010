package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"mcfs/bench/gateway"
	"mcfs/bench/job"
	"mcfs/bench/measure"
	"mcfs/bench/peers"
	"mcfs/keys/kmstest"
)

// lab is where everything is measured: the servers that all share, the
// programs, and one directory for all that is written.
type lab struct {
	o        options
	dir      string
	objects  string // of the server, below dir or in memory
	s3       *gateway.Server
	kms      *kmstest.Server
	kit      peers.Kit
	helper   string
	progress io.Writer

	writes lazy[measure.All] // the series that three rows share
	many   lazy[*crowded]
}

// lazy is a value that the first who needs it makes.
type lazy[T any] struct {
	made  bool
	value T
	err   error
}

func (z *lazy[T]) get(find func() (T, error)) (T, error) {
	if !z.made {
		z.value, z.err = find()
		z.made = true
	}
	return z.value, z.err
}

func newLab(ctx context.Context, o options, progress io.Writer) (*lab, error) {
	dir, err := os.MkdirTemp(o.dir, "mcfs-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{o: o, dir: dir, progress: progress}
	if err := l.open(ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// open makes programs and starts servers.
func (l *lab) open(ctx context.Context) (err error) {
	if l.dir, err = filepath.EvalSymlinks(l.dir); err != nil {
		return err
	}
	if l.objects, err = os.MkdirTemp(cmp.Or(l.o.objects, l.dir), "mcfs-bench-objects-"); err != nil {
		return err
	}
	for _, name := range []string{"bin", "run", "home"} {
		if err := os.Mkdir(filepath.Join(l.dir, name), 0o700); err != nil {
			return err
		}
	}
	if err := l.build(ctx); err != nil {
		return err
	}
	l.kms = kmstest.Start(nil, kmstest.Options{AccessKey: gateway.AccessKey, SecretKey: gateway.SecretKey})
	l.s3, err = gateway.Start(ctx, l.o.versitygw, l.objects, filepath.Join(l.dir, "versitygw.log"))
	return err
}

// build makes the programs of this very tree.
func (l *lab) build(ctx context.Context) error {
	bin := filepath.Join(l.dir, "bin")
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	build := job.Command{Args: []string{"go", "build", "-o", bin + "/", "mcfs/cmd/mcfs", "mcfs/bench/helper", "mcfs/bench/loopback"}, Dir: here}
	if _, _, err := job.Run(ctx, build); err != nil {
		return err
	}
	l.helper = filepath.Join(bin, "helper")
	l.kit = peers.Kit{
		Dir: filepath.Join(l.dir, "run"), Mcfs: filepath.Join(bin, "mcfs"), Loopback: filepath.Join(bin, "loopback"), GeeseFS: l.o.geesefs,
		Env: append(gateway.Environ(), "HOME="+filepath.Join(l.dir, "home"), "XDG_STATE_HOME=", "XDG_DATA_HOME=", "XDG_CONFIG_HOME=", "XDG_CACHE_HOME=", "MCFS_CONFIG="),
	}
	if l.kit.Rclone, err = peers.FindRclone(ctx, l.o.rclone); err != nil {
		l.say("rclone is not to be had: %v", err) // its rows will say so
		l.kit.Rclone = peers.Rclone{Binary: l.o.rclone}
	}
	return nil
}

// close ends the servers and removes the directory. Every mount was closed by
// whoever made it.
func (l *lab) close() error {
	if l.s3 != nil {
		l.s3.Stop()
	}
	if l.kms != nil {
		l.kms.Close()
	}
	if l.many.value != nil {
		_ = l.many.value.sink.Close()
	}
	return errors.Join(os.RemoveAll(l.dir), os.RemoveAll(l.objects))
}

func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(l.progress, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// size is a size of the targets, scaled, in whole MiB.
func (l *lab) size(bytes int64) int64 {
	return max(16<<20, int64(float64(bytes)*l.o.scale)>>20<<20)
}

// count is a number of files of the targets, scaled.
func (l *lab) count(n int) int { return max(20, int(float64(n)*l.o.scale)) }

// source is a file of random bytes, made once.
func (l *lab) source(size int64) (string, error) {
	path := filepath.Join(l.dir, fmt.Sprintf("source-%d", size))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, io.LimitReader(rand.NewChaCha8([32]byte{7}), size), make([]byte, 1<<20))
	return path, errors.Join(err, f.Sync(), f.Close())
}

// tree is a directory of count files of a size, made once.
func (l *lab) tree(count int, size int64) (string, error) {
	dir := filepath.Join(l.dir, fmt.Sprintf("tree-%d-%d", count, size))
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
		return dir, nil
	} else if err != nil {
		return "", err
	}
	noise := rand.NewChaCha8([32]byte{8})
	content := make([]byte, size)
	for i := range count {
		_, _ = noise.Read(content) // never fails
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%04d", i)), content, 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

//go:embed notes
var notes embed.FS

// explanation is why a goal of a row is missed and what was tried: what a
// profile said, written by hand.
func explanation(row string) string {
	text, err := notes.ReadFile("notes/" + row + ".md")
	if err != nil {
		return "" // there is none
	}
	return string(text)
}
