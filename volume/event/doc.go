// Package event has the types of what a volume tells its observer: commits, failures, conflicts,
// renames and removals of files.
//
// Promises: an Event does not change after it was told. What Observer asks of an observer keeps a
// volume that has one as quick and as safe as a volume that has none.
//
// May import: volume/remote.
package event
