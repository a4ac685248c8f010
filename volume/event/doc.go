// Package event says what has happened to the files of a volume, to one who wants to know.
//
// It promises nothing but the types: what an Observer may do with them decides whether a volume
// with one is as quick and as safe as without.
//
// May import: volume/remote.
package event
