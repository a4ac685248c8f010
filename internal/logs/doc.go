// Package logs is where the log of a mount goes: to standard error, or a file.
//
// Promises: a line goes whole to one place; a file that others may read, or that is another user's,
// is refused, since names of files are in it.
//
// May import: config.
package logs
