package model

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

// A small world has parts of 32 KiB and a spool in which one file fills it: what was
// sent is dropped. What the design says of such a file may be refused: a write, a patch
// or a read of what was dropped and an fsync with ENOSPC, a rename with EBUSY. What is
// refused in the mount is not done on the disk; what is done, must be alike.
const (
	smallPart  = 32 << 10
	smallSpool = 1 << 20
)

func smallRig(b *bench, mode string) *rig.Rig {
	s := settings(mode)
	s["upload.timeout"] = `"3s"` // for so long a writer waits for room that nobody makes
	return rig.NewSmall(b, s, smallPart, smallSpool)
}

// smallWeights are of steps that fill the spool, and of what is done to files then. A
// write through a map is not among them: no room is a SIGBUS there.
var smallWeights = map[string]int{
	"open": 16, "close": 10, "dup": 1, "pread": 8, "pwrite": 12, "read": 3, "write": 24, "ftruncate": 6, "fallocate": 3, "fsync": 5,
	"copy": 2, "truncate": 3, "unlink": 4, "mkdir": 3, "rename": 12, "chmod": 1, "utimens": 1, "setxattr": 1,
	"compare": 4, "evict": 2, "settle": 2, "remount": 1, "kill": 1, "fresh": 1,
}

var smallDeck = deckOf(smallWeights)

// complaints are what a daemon may say at level ERROR in a small world.
const complaints = "spool is full|dropped from the full spool|close gave up waiting|a write to it failed|not safe in the spool"

// take makes a mount the world's.
func (w *world) take(m *rig.Mount) {
	if w.mount = m; w.small {
		m.Expect(complaints)
	}
}

// overflows reports whether a file is so long that its parts leave while it is written.
func overflows(size int64) bool { return size >= 4*smallPart }

// refusals counts what small spools have refused, for the report.
var refusals atomic.Int64

// fills are the verbs that need room.
var fills = map[string]bool{"pwrite": true, "write": true, "ftruncate": true, "truncate": true, "fallocate": true, "copy": true, "open": true}

// reads are the verbs that need bytes. Those of a file whose name is gone may have been
// dropped from the spool, and have gone from the store with the name.
var reads = map[string]bool{"pread": true, "read": true, "copy": true}

// refused looks at what the mount has answered: left is what remains to be done on the
// disk, nil if nothing does; whole, whether the answers are to be alike.
func (r *run) refused(o op, mount result) (whole bool, left *op) {
	full := mount.errno == syscall.ENOSPC
	switch {
	case (o.Verb == "pwrite" || o.Verb == "write") && mount.errno == 0 && mount.n > 0 && mount.n < o.Len:
		o.short = mount.n
		r.halve(o)
		return true, &o
	case (o.Verb == "pread" || o.Verb == "read") && mount.n > 0 && mount.n < o.Len && r.lacks(o, mount.n):
		o.Len = mount.n
		return true, &o
	case full && o.Verb == "copy" && mount.n > 0:
		o.Len = mount.n
		r.halve(o)
		return false, &o
	case full && fills[o.Verb], mount.errno == syscall.ESTALE && fills[o.Verb] && r.nameless(o):
		r.halve(o)
	case full && (reads[o.Verb] || o.Verb == "fsync"), mount.errno == syscall.ESTALE && reads[o.Verb] && r.readsNameless(o):
	case mount.errno == syscall.EBUSY && o.Verb == "rename":
	case o.Verb == "close" && mount.errno != 0 && r.mayNotClose(o, mount):
		r.c.disk.open[o.H], _ = nil, unix.Close(r.c.disk.open[o.H].fd)
	default:
		return true, &o
	}
	refusals.Add(1)
	return false, nil
}

// lacks reports whether what stands behind the n bytes that a read has returned was
// dropped: the kernel asks for a long read in pieces, and returns what came before the
// first that was refused.
func (r *run) lacks(o op, n int64) bool {
	h := r.c.mount.open[o.H]
	at := o.Off + n
	if o.Verb == "read" {
		var err error
		if at, err = unix.Seek(h.fd, 0, unix.SEEK_CUR); err != nil {
			return false
		}
	}
	_, err := unix.Pread(h.fd, make([]byte, 1), at)
	return err == syscall.ENOSPC
}

// file is the disk's file that a step writes.
func (r *run) file(o op) (st unix.Stat_t, ok bool) {
	slot := o.H
	if o.Verb == "copy" {
		slot = o.H2
	}
	var err error
	switch h := r.c.disk.open[slot]; {
	case o.Path != "":
		err = unix.Stat(r.c.disk.path(o.Path), &st)
	case h == nil:
		return st, false
	default:
		err = unix.Fstat(h.fd, &st)
	}
	return st, err == nil
}

// halve notes that a file could not be written whole: its close fails, and nothing
// publishes it before it is asked for by name.
func (r *run) halve(o op) {
	if st, ok := r.file(o); ok {
		r.halved[st.Ino] = true
	}
}

func (r *run) nameless(o op) bool {
	st, ok := r.file(o)
	return ok && st.Nlink == 0
}

// readsNameless reports whether the file that a step reads has no name any more.
func (r *run) readsNameless(o op) bool {
	h := r.c.disk.open[o.H]
	var st unix.Stat_t
	return h != nil && unix.Fstat(h.fd, &st) == nil && st.Nlink == 0
}

func (r *run) mayNotClose(o op, mount result) bool {
	st, ok := r.file(op{Verb: "close", H: o.H})
	return ok && r.halved[st.Ino] && (mount.errno == syscall.ENOSPC || mount.errno == syscall.EIO || mount.errno == syscall.ESTALE)
}

// commitHalved has what could not be written whole committed as it is.
func (r *run) commitHalved() error {
	if len(r.halved) == 0 {
		return nil
	}
	paths, err := r.c.tree()
	if err != nil {
		return err
	}
	args := []string{"sync"}
	for _, p := range paths {
		var st unix.Stat_t
		if err := unix.Lstat(r.c.disk.path(p), &st); err == nil && r.halved[st.Ino] && !localOnly(p) {
			args = append(args, r.c.mount.path(p))
			delete(r.halved, st.Ino)
		}
	}
	if len(args) == 1 {
		return nil
	}
	if out, err := r.w.mount.Mcfs(30*time.Second, args...); err != nil {
		return fmt.Errorf("mcfs %v: %w\n%s", args, err, out)
	}
	return nil
}
