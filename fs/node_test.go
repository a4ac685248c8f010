package fs

import (
	"context"
	"log/slog"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestNamesAreBounded: whatever an operation on names waits for, the kernel has
// its directory back in time (P7), and nobody takes the error for a signal.
func TestNamesAreBounded(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	f := &filesystem{log: log, trouble: newComplaints(log)}
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	for name, do := range map[string]func(context.Context, string, func(context.Context) error) syscall.Errno{
		"names": f.doNames, "create": f.doCreate,
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			if errno := do(t.Context(), name, hang); errno != syscall.EIO {
				t.Errorf("%s: %v", name, errno)
			}
			if took := time.Since(begun); took != namesLimit {
				t.Errorf("%s took %v", name, took)
			}
		})
	}
}
