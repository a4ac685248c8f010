// Package fs shows a volume as a mounted directory: go-fuse nodes and handles
// that translate to package volume and decide nothing of their own.
//
// What it adds is what only a mount has to know:
//
//   - errno.go: the one table from the volume's errors to errno values;
//   - patience.go: a request that the kernel interrupts goes on unless its
//     process is being killed, since most signals are not meant for it;
//   - caller.go and its _linux and _darwin parts: who is asking, and what is
//     becoming of that process; creating.go, git_linux.go: what it is about to make,
//     and whether it is git;
//   - setid.go, xattr.go: setuid, setgid and access control lists as a disk has them;
//   - mount.go, preflight.go: mounting, with an error that names the cure, and
//     unmounting;
//   - mounted.go: what is mounted where, and by whom.
//
// Promises: no handler waits for the network by itself; no log line, not even at
// debug level, carries content; the daemon never touches its own mount, but for the
// library's probe that it answers, and never calls back into the kernel. News from
// elsewhere are not pushed: for that the kernel takes the lock of the directory, which
// somebody who waits for an answer may hold, and a daemon killed at that moment would
// leave both waiting for good. The kernel believes a name for a second, and asks again.
//
// It imports volume, go-fuse and golang.org/x/sys.
package fs
