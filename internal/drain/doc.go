// Package drain waits for the pending work of a volume, and says meanwhile what it waits
// for.
//
// Promises: it waits as long as something moves, and gives up after a time without; what
// no wait would finish, as a file under a local-only name, is not waited for but named;
// each text is one line of printable text.
//
// May import: internal/human, volume.
package drain
