// Package pipeline writes each event of a mount to an output as a line of JSON, or runs a command of
// the shell for it.
//
// Promises: an event is written, or its command has ended, before the next one is looked at; a command
// that fails is named and counted, and the next one runs all the same; when the context ends, the
// running command gets SIGTERM, and is killed if it has not ended five seconds later.
//
// May import: internal/feed, internal/human, sidecar.
package pipeline
