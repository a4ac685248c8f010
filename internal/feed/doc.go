// Package feed tells what happens to the files of a mount, as lines of JSON, to any number of
// listeners, and keeps the last of it for those who come back.
//
// Promises: to note an event waits for nobody and does no I/O; each listener has the events in
// their order, each once; one that is too slow, or has been away too long, is told that it has
// missed some; names in the lines may be added, and none changes.
//
// May import: internal/verdict, sidecar, volume/event.
package feed
