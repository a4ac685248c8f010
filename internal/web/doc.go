// Package web shows the status of mounts as a page in a browser of this machine.
//
// Promises: it listens on an address of this machine alone, answers nobody without the token or the
// cookie that follows from it, nor under another host's name, and changes nothing. The page asks for
// nothing from elsewhere, and no name in it is more than text. Rows are bounded however much is
// pending, and mounts are asked only while somebody looks, for a tenth of the time at most. After
// Close nothing of it runs, within two seconds.
//
// May import: fs, internal/feed, internal/human, internal/mounts, internal/status, internal/stored, sidecar, volume.
package web
