package fs

import "context"

// createsExclusively cannot be known on macOS.
func createsExclusively(context.Context) bool { return false }
