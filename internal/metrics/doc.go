// Package metrics serves what Prometheus asks of a mount.
//
// It promises that nothing in it names a file, and that the address is free again within a
// second, also if clients are connected.
//
// May import: spool, volume.
package metrics
