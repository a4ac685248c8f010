// Package control is the socket on which the daemon of a mount takes requests from
// commands: to end, to sync, to tell its status and what happens, to restore what is in
// quarantine.
//
// The socket lies in the runtime folder of the daemon's user, named after the
// mountpoint. A client sends one request, a line of JSON; the daemon answers with lines
// of JSON. To "status" and "restore" it answers one. After "sync" it keeps the
// connection until all is done, or the client hangs up, and so after "wrong", with a line for each
// file; after "events" until the mount ends, and
// sends a line for each; after "unmount" until the
// process has ended, so that the end of the connection is the end of the daemon.
//
// Promises: one daemon alone serves a mountpoint; only its user and root reach the
// socket; whatever is sent there, the daemon does one of the things that it knows or
// hangs up; a client that does not read keeps nobody waiting. What a request does is a
// function that the daemon gives, so that the package knows no volume.
//
// May import: internal/human.
package control
