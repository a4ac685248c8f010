// Package pipeline hands what happens in a mount on to programs: a line each on an output, or a
// command for each.
//
// Promises: one line is done with before the next; a command that fails is named, and the others go
// on; one that runs when the context ends is asked to end, and not waited for without end.
//
// May import: internal/feed, internal/human, sidecar.
package pipeline
