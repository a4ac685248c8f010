package fs

import "context"

// createsExclusively cannot be known on macOS.
func createsExclusively(context.Context) (creates, known bool) { return false, false }
