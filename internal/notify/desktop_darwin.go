package notify

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// findDesktop is the desktop of macOS, by osascript: text goes to the script as arguments, and is never part of it.
func findDesktop() desktop {
	program, err := exec.LookPath("osascript")
	if err != nil {
		return nil
	}
	return func(ctx context.Context, title, body string) error {
		c := exec.CommandContext(ctx, program, "-e", "on run argv", "-e", "display notification (item 2 of argv) with title (item 1 of argv)", "-e", "end run", "--", title, body)
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("osascript: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	}
}
