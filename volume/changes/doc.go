// Package changes has the changes of names that are queued: what each does, what the journal has of
// it, and which paths it keeps others from.
//
// It promises that what the journal has of a change makes the same change again, in any later mount.
//
// May import: sidecar, spool, volume/queue, volume/remote.
package changes
