// Package paths names the files that a command is about, one by one: those of the command line, of
// a list, and of directories.
//
// Promises: it keeps no more of them than a batch of one directory's entries, however many there
// are; a symbolic link in a directory is left out, so that nothing is named twice and no circle
// followed.
//
// May import: sidecar.
package paths
