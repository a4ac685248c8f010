// Package stored reads the volume of a configuration as its store has it, without a mount.
//
// Promises: the store is opened once, and only when it is needed; every request has a deadline;
// what cannot be had is said with the cure.
//
// May import: config, internal/paths, internal/status, internal/verdict, sidecar, store.
package stored
