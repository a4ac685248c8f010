// Package quarantine lists what lies in the quarantine of a spool, and brings it back, exports it or
// removes it, for a person or a program.
//
// Promises: plaintext comes into the file that the user names and nowhere else, which is new, and
// theirs alone; what of a file cannot be read is told; nothing is removed unasked.
//
// May import: config, internal/backend, internal/human, internal/memory, internal/mounts, internal/offline, internal/status, internal/verdict, fs, spool.
package quarantine
