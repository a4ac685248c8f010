// Package job runs the programs that are measured: one to its end, with what it
// cost, or a daemon beside it, whose cost is read between two moments.
//
// Each is in a process group of its own, so that a terminal's Ctrl-C reaches
// none of them before the measurement has let go of its mounts; whoever starts
// one ends it. The end of a context kills the whole group.
//
// Costs of daemons are read from /proc: they are known on Linux alone.
package job
