package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"mcfs/internal/control"
	"mcfs/internal/verdict"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitSome   = 3 // some items failed
	exitDamage = 4 // integrity

	exitJobError    = 5
	exitJobCanceled = 6
	exitRunning     = 7   // a job still runs
	exitSignal      = 128 // and the signal's number

	exitInterrupted = exitSignal + int(syscall.SIGINT)
	exitTerminated  = exitSignal + int(syscall.SIGTERM)
)

// exits say what each status means.
var exits = []struct {
	status  int
	meaning string
}{
	{exitOK, "done"},
	{exitFailed, "failed"},
	{exitUsage, "wrong command line"},
	{exitSome, "some of several items failed"},
	{exitDamage, "integrity failure: content is damaged, or was tampered with"},
	{exitJobError, "the job ended in ERROR"},
	{exitJobCanceled, "the job was cancelled"},
	{exitRunning, "the job still runs"},
	{exitInterrupted, "interrupted (SIGINT)"},
	{exitTerminated, "terminated (SIGTERM)"},
}

// exitsKey is the annotation of a command with what it may end with besides 0, 1 and 2, and a signal.
const exitsKey = "exits"

// endsWith notes the further statuses of a command.
func endsWith(c *cobra.Command, statuses ...int) *cobra.Command {
	c.Annotations = map[string]string{exitsKey: fmt.Sprint(statuses)}
	return c
}

// exitsOf are the statuses that a command may end with.
func exitsOf(c *cobra.Command) []int {
	list := []int{exitOK, exitFailed, exitUsage}
	for _, text := range strings.Fields(strings.Trim(c.Annotations[exitsKey], "[]")) {
		var n int
		if _, err := fmt.Sscan(text, &n); err == nil {
			list = append(list, n)
		}
	}
	if c.Annotations[servesKey] == "" {
		list = append(list, exitInterrupted, exitTerminated)
	}
	return list
}

// servesKey is the annotation of a command that a signal ends in order, with status 0.
const servesKey = "serves"

// serves notes that a signal ends a command in order.
func serves(c *cobra.Command) *cobra.Command {
	if c.Annotations == nil {
		c.Annotations = make(map[string]string)
	}
	c.Annotations[servesKey] = "true"
	return c
}

// exitsHeading begins the statuses in the help of a command.
const exitsHeading = "\n\nExit status:"

// documentExits adds its statuses to the documentation of a command and of those below it.
func documentExits(c *cobra.Command) {
	var b strings.Builder
	b.WriteString(strings.TrimRight(c.Long, "\n"))
	b.WriteString(exitsHeading)
	mine := exitsOf(c)
	for _, e := range exits {
		if slices.Contains(mine, e.status) {
			fmt.Fprintf(&b, "\n  %-4d %s", e.status, e.meaning)
		}
	}
	c.Long = b.String()
	for _, below := range c.Commands() {
		documentExits(below)
	}
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// statusError is an error that ends the program with a status of its own.
type statusError struct {
	error
	status int
}

func (e statusError) Unwrap() error { return e.error }

// statusOf is the exit status of a command that returned err.
func statusOf(err error) int {
	if err == nil {
		return exitOK
	}
	if t, ok := errors.AsType[told](err); ok {
		return t.status
	}
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	if s, ok := errors.AsType[statusError](err); ok {
		return s.status
	}
	if e, ok := errors.AsType[verdict.Ended](err); ok {
		return e.Status
	}
	if f, ok := errors.AsType[control.Failure](err); ok && f.Status != 0 {
		return f.Status
	}
	return exitFailed
}

// signalled is the end of a command by a signal.
type signalled struct{ sig syscall.Signal }

func (s signalled) Error() string { return s.sig.String() }

// untilSignal is a context that ends with a signal, which is its cause. stop ends it, and what
// watches for signals.
func untilSignal(parent context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		select {
		case sig := <-signals:
			cancel(signalled{sig.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-done
	}
}

// interruptible runs a command until a signal comes. What fails after one ends with its status.
func interruptible(parent context.Context, do func(context.Context) error) error {
	ctx, stop := untilSignal(parent)
	defer stop()
	err := do(ctx)
	if sig, ok := errors.AsType[signalled](context.Cause(ctx)); ok && err != nil {
		return statusError{verdict.With(err, verdict.Interrupted, cureInterrupted), exitSignal + int(sig.sig)}
	}
	return err
}
