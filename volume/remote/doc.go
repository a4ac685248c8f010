// Package remote is what one key has in the store: a version, which is an object and its
// sidecar; a symlink; a directory's marker. It describes what stands there, remembers that
// over mounts, and changes it: puts, withdraws and restores sidecars, removes, renames.
//
// It promises:
//
//   - A sidecar that can be read decrypts the object beside it, at each moment (P3): a
//     sidecar goes before its object does, or another takes its place, and comes after.
//   - What another machine has put is never changed or removed unseen: requests are
//     conditional, and a refusal is followed by a look (Refused).
//   - Each step may be repeated after any failure, whatever of it has taken effect, by this
//     mount or the next: the end is the same.
//   - Whether an object is a version is decided in one place (Version.Is): by the IV.
//
// Errors are those of the store, of the keeper and of package sidecar, wrapped; IsTransient
// tells which may pass. No method keeps a lock over I/O, and each ends when its context does.
//
// It knows no tree, no journal and no queue: who calls it sees to it that of one key's
// changes one is under way at a time, and that an upload which a copy needs is announced
// (Config.Store).
//
// May import: crypt, keys, sidecar, store, volume/fetch, volume/metacache.
package remote
