// Package mounts answers what a command asks of this machine's mounts: in which one a
// path lies, whether its daemon is alive, whose it is, how it is asked; and it takes a mount away.
//
// Promises: no question about a path looks into a mount, where even lstat(2) may wait
// for a daemon that does not answer, but DaemonAt; only Dead asks the daemon, and waits for two
// seconds at most.
//
// May import: fs, internal/control.
package mounts
