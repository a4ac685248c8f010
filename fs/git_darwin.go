package fs

import "context"

// isGit cannot be known on macOS.
func isGit(context.Context) bool { return false }
