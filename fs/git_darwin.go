package fs

import "context"

// isGit returns false: which program asks cannot be known on macOS.
func isGit(context.Context) bool { return false }
