// Package fstab reads what a line of fstab, or a call by mount(8), says of a mount.
//
// Promises: pure; what is neither ours, nor mount(8)'s, nor one that the kernel knows for every FUSE
// mount is refused, so that the kernel never gets a word that nobody means.
//
// May import: config.
package fstab
