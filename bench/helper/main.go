// Helper does the work of a measurement for which there is no ordinary program,
// in a process of its own, so that its cost is known and a mount that hangs does
// not hang the measurement. It prints figures as JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// verbs are what it can do, each with its arguments.
var verbs = map[string]struct {
	args string
	run  func(ctx context.Context, args []string) (map[string]float64, error)
}{
	"upload":  {"ENDPOINT BUCKET FILE KEY", upload},
	"copy":    {"ENDPOINT BUCKET FROM TO", serverCopy},
	"heads":   {"ENDPOINT BUCKET COUNT AT-ONCE FORMAT", heads},
	"fill":    {"ENDPOINT BUCKET COUNT AT-ONCE FORMAT SIZE", fill},
	"write":   {"FILE SIZE RATE", write},
	"files":   {"DIRECTORY COUNT SIZE", files},
	"random":  {"FILE COUNT", random},
	"forward": {"FILE COUNT", forward},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "helper:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("no verb")
	}
	verb, known := verbs[args[0]]
	if !known {
		return fmt.Errorf("no verb %q", args[0])
	}
	figures, err := verb.run(ctx, args[1:])
	if errors.Is(err, errUsage) {
		return fmt.Errorf("usage: %s %s", args[0], verb.args)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(figures)
}

var errUsage = errors.New("wrong arguments")

// numbers parses the arguments that are numbers.
func numbers(args ...string) ([]int64, error) {
	out := make([]int64, len(args))
	for i, a := range args {
		n, err := strconv.ParseInt(a, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", a, errUsage)
		}
		out[i] = n
	}
	return out, nil
}
