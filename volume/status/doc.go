// Package status says how a volume is: what is not finished and why, what went wrong, and what
// was set aside. `mcfs status --json` prints it.
//
// It promises that a name in the JSON stays once it is there, that lists come in an order that
// stays, and that an empty one is [] and not null.
//
// May import: spool, volume/naming, volume/queue.
package status
