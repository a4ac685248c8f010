// Package acl reads, makes and applies POSIX access control lists, as the kernel hands them over
// in extended attributes.
//
// It promises:
//
//   - Nothing but the arguments decides. What is no list is refused, and kept nowhere.
//   - A list and the permission bits beside it never contradict each other.
//
// May import: sidecar.
package acl
