// Package status tells how mounts are, and what waits in the spools of those that are
// not mounted: for a person, as a page or a view that is redrawn, and for a program.
//
// Promises: it asks the store for nothing and changes nothing; a daemon that does not
// answer within two seconds is said to be silent or dead, and keeps nothing else from
// being shown; no name reaches a terminal as more than text; the names in the JSON
// document stay. It imports control, mounts and human, fs for the list of mounts, config,
// and volume and spool for what a spool holds.
package status
