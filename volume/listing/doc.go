// Package listing reads what a store has in one directory: page after page, each sidecar paired
// with its file. It also tells which program goes through a directory name by name, so that what
// it will ask for can be read ahead.
//
// It promises:
//
//   - A list ends. One that leads in a circle, or has too many pages, is an error that may pass.
//   - Only names that a path can spell come out, and only of keys below the prefix.
//   - A sidecar is never shown as a file of its own beside the file that it is of.
//   - Nothing is written, kept or guarded: no lock is involved, and each request ends with its context.
//
// May import: sidecar, store, volume/naming.
package listing
