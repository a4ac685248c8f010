package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

const (
	chunk   = 128 << 10 // bytes of one write
	pattern = 8 << 20   // bytes before the pattern repeats: more than a processor's cache of level 2
	small   = 4 << 10   // bytes of one small read
)

// noise is what large files are made of.
func noise(size int) []byte {
	source := rand.NewChaCha8([32]byte{1})
	b := make([]byte, size)
	_, _ = source.Read(b) // never fails
	return b
}

// write writes a file no faster than RATE bytes per second (0: as fast as it
// goes), and says how long its close took.
func write(ctx context.Context, args []string) (figures map[string]float64, err error) {
	if len(args) != 3 {
		return nil, errUsage
	}
	n, err := numbers(args[1], args[2])
	if err != nil {
		return nil, err
	}
	f, err := os.Create(args[0])
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := pour(ctx, f, n[0], n[1]); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	written := time.Now()
	if err := f.Close(); err != nil {
		return nil, err
	}
	return map[string]float64{"write": written.Sub(begun).Seconds(), "close": time.Since(written).Seconds()}, nil
}

func pour(ctx context.Context, f *os.File, size, rate int64) error {
	source := noise(pattern)
	begun := time.Now()
	for at := int64(0); at < size && ctx.Err() == nil; {
		from := at % pattern
		n := min(chunk, size-at, pattern-from)
		if _, err := f.Write(source[from : from+n]); err != nil {
			return err
		}
		at += n
		if rate > 0 {
			time.Sleep(time.Until(begun.Add(time.Duration(float64(at) / float64(rate) * float64(time.Second)))))
		}
	}
	return ctx.Err()
}

// files makes COUNT files, one after the other.
func files(ctx context.Context, args []string) (map[string]float64, error) {
	if len(args) != 3 {
		return nil, errUsage
	}
	n, err := numbers(args[1], args[2])
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(args[0], 0o755); err != nil {
		return nil, err
	}
	content := noise(int(n[1]))
	for i := range n[0] {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := os.WriteFile(filepath.Join(args[0], fmt.Sprintf("f%06d", i)), content, 0o644); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// random reads 4 KiB at COUNT places that no pattern connects.
func random(ctx context.Context, args []string) (map[string]float64, error) {
	places := rand.New(rand.NewPCG(1, 2))
	return read(ctx, args, func(_, blocks int64) int64 { return places.Int64N(blocks) })
}

// forward reads 4 KiB COUNT times, one behind the other, from the middle on.
func forward(ctx context.Context, args []string) (map[string]float64, error) {
	return read(ctx, args, func(i, blocks int64) int64 { return (blocks/2 + i) % blocks })
}

func read(ctx context.Context, args []string, place func(i, blocks int64) int64) (map[string]float64, error) {
	if len(args) != 2 {
		return nil, errUsage
	}
	n, err := numbers(args[1])
	if err != nil {
		return nil, err
	}
	f, err := os.Open(args[0])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, small)
	for i := range n[0] {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if _, err := f.ReadAt(buf, place(i, info.Size()/small)*small); err != nil {
			return nil, err
		}
	}
	return map[string]float64{"asked": float64(n[0] * small)}, nil
}
