// Package metrics serves what Prometheus asks of a mount.
//
// Promises: nothing in it names a file; a label has few values; what is asked costs one survey of
// the volume and no request of the store; the address is free again within a second, also if
// clients are connected.
//
// May import: internal/feed, keys, volume, volume/event.
package metrics
