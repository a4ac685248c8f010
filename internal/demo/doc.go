// Package demo shows what mcfs does, with this very program and two mounts of its own, and proves
// it with openssl.
//
// Promises: everything that it shows has been compared; whatever goes wrong, no mount and no file
// of it is left behind.
//
// May import: fs, internal/mounts, keys, sidecar.
package demo
