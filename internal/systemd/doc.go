// Package systemd speaks to systemd: it tells the state of the service, and writes a unit.
//
// Promises: without systemd it does nothing, and it waits for nobody longer than a second; what a
// unit names is named as systemd reads it.
//
// May import: nothing of ours.
package systemd
