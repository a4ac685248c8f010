// Package status tells how mounts are, and what waits in the spools of those that are
// not mounted: for a person, as a page or a view that is redrawn, and for a program.
//
// Promises: it asks the store for nothing and changes nothing; a daemon that does not
// answer within two seconds is said to be silent or dead, and keeps nothing else from
// being shown; no name reaches a terminal as more than text; the names in the JSON
// document stay. What a daemon says of itself is a Report; of a spool that is not mounted
// the journal tells.
//
// May import: config, fs, internal/control, internal/human, internal/mounts, spool, volume.
package status
