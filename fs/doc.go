// Package fs shows a volume as a mounted directory. Its nodes and handles translate
// between go-fuse and package volume, and decide nothing of their own.
//
// It adds what only a mount has to know:
//
//   - errno.go: the one table from the volume's errors to errno values;
//   - patience.go: a request that the kernel interrupts goes on unless its
//     process is being killed, since most signals are not meant for it;
//   - caller.go and its _linux and _darwin parts: which process asks, and whether it is
//     being killed; creating.go, git_linux.go: what it is about to make, and whether it
//     is git;
//   - setid.go, xattr.go: setuid, setgid and access control lists as a disk has them;
//   - mount.go, preflight.go: mounting, with an error that names the cure, and
//     unmounting;
//   - mounted.go: what is mounted where, and by whom.
//
// Promises: no handler waits for the network by itself; no log line, not even at
// debug level, carries content; the daemon never opens anything in its own mount, and
// never calls back into the kernel. The kernel is not notified of changes by other
// machines: a notification takes the directory's lock, which a process that waits for
// this daemon may hold, and a daemon killed at that moment would leave both waiting for
// good. Instead the kernel keeps a name for a second, and asks again.
//
// It imports volume, go-fuse and golang.org/x/sys.
package fs
