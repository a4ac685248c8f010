package main

import (
	"context"
	"fmt"

	"mcfs/bench/floor"
	"mcfs/bench/gateway"
)

func client(ctx context.Context, endpoint, bucket string, atOnce int) (*floor.Client, error) {
	return floor.New(ctx, endpoint, bucket, gateway.AWS(), atOnce)
}

func upload(ctx context.Context, args []string) (map[string]float64, error) {
	if len(args) != 4 {
		return nil, errUsage
	}
	c, err := client(ctx, args[0], args[1], floor.AtOnce)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return nil, c.Upload(ctx, args[2], args[3])
}

func serverCopy(ctx context.Context, args []string) (map[string]float64, error) {
	if len(args) != 4 {
		return nil, errUsage
	}
	c, err := client(ctx, args[0], args[1], 1)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return nil, c.Copy(ctx, args[2], args[3])
}

// named makes keys of a format like "dir/f%d".
func named(format string) func(i int) string {
	return func(i int) string { return fmt.Sprintf(format, i) }
}

func heads(ctx context.Context, args []string) (map[string]float64, error) {
	if len(args) != 5 {
		return nil, errUsage
	}
	n, err := numbers(args[2], args[3])
	if err != nil {
		return nil, err
	}
	c, err := client(ctx, args[0], args[1], int(n[1]))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return nil, c.Heads(ctx, int(n[0]), int(n[1]), named(args[4]))
}

func fill(ctx context.Context, args []string) (map[string]float64, error) {
	if len(args) != 6 {
		return nil, errUsage
	}
	n, err := numbers(args[2], args[3], args[5])
	if err != nil {
		return nil, err
	}
	c, err := client(ctx, args[0], args[1], int(n[1]))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return nil, c.Fill(ctx, int(n[0]), int(n[1]), named(args[4]), make([]byte, n[2]))
}
