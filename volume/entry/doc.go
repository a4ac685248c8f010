// Package entry knows what the journal says of one draft, or of a directory or symlink that has no
// object, and what a mount makes of that after a restart or a power cut.
//
// It promises:
//
//   - What an older program has written is read, and means the same.
//   - What an entry comes back as depends on the entry, the boot of the machine and the class of the
//     name, and on nothing else. What nobody was promised does not come back (P5).
//   - Waiting changes nothing, and says of each draft what the next mount will.
//
// May import: sidecar, spool, volume/file, volume/flaw, volume/naming, volume/queue, volume/remote, volume/status.
package entry
