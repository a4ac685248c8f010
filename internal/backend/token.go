package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"mcfs/internal/human"
)

// Limits of a command that prints a token.
const (
	tokenTime   = 30 * time.Second
	tokenPause  = time.Second // after its end, for what it has left behind that holds its output
	tokenOutput = 4 << 10     // bytes; what comes after them is not kept
)

// tokens are those of an MFA device: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
var tokens = regexp.MustCompile(`^[0-9]{6}$`)

// token runs the command that prints one. No shell reads it, it has no input, and its output
// is in no error.
func token(ctx context.Context, command []string) (string, error) {
	if len(command) == 0 {
		return "", errors.New("the role asks for a token: set store.mfa_command")
	}
	return tokenWithin(ctx, command, tokenTime)
}

func tokenWithin(ctx context.Context, command []string, most time.Duration) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it has not ended within %v", most))
	defer cancel()
	var out, said clipped
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Stdout, c.Stderr, c.WaitDelay = &out, &said, tokenPause
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that what it has started ends with it
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	err := c.Run()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("store.mfa_command: %s: %w", command[0], context.Cause(ctx))
	case err != nil && said.kept.Len() > 0:
		return "", fmt.Errorf("store.mfa_command: %s: %w: %s", command[0], err, human.Printable(strings.TrimSpace(said.kept.String())))
	case err != nil:
		return "", fmt.Errorf("store.mfa_command: %s: %w", command[0], err)
	}
	text := strings.TrimSpace(out.kept.String())
	if !tokens.MatchString(text) {
		return "", fmt.Errorf("store.mfa_command: %s: what it prints is no token of six digits (%d bytes)", command[0], out.kept.Len())
	}
	return text, nil
}

// clipped keeps the beginning of what is written to it.
type clipped struct{ kept bytes.Buffer }

func (c *clipped) Write(p []byte) (int, error) {
	_, _ = c.kept.Write(p[:min(len(p), tokenOutput-c.kept.Len())])
	return len(p), nil
}
