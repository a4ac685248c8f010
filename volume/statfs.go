package volume

import (
	"time"

	"mcfs/volume/file"
)

// Statfs describes the room that there is, in bytes and inodes.
type Statfs struct{ Total, Free, Files int64 }

// roomy is what a store has that does not say.
const roomy = 1 << 50

// roomKept is how long what was learnt of the room is believed: programs ask often.
const roomKept = time.Second

// room is what was learnt of it.
type room struct {
	total, free     int64 // of the store
	spool, spoolMax int64
}

// roomAsked is the last answer, and the question that is under way; guarded by Volume.mu.
type roomAsked struct {
	room
	at    time.Time     // zero: never
	asked chan struct{} // closed with the answer; nil: no request is under way
}

// Statfs is what df shows where the node is: the room of the store, as long as the
// parts of long files leave while they are written. Where they do not, what the spool
// can take. The disks of both are asked, no network; a disk that hangs is not waited for.
func (n *Node) Statfs() Statfs {
	v := n.v
	r, ok := v.learnRoom()
	if !ok {
		return Statfs{Total: roomy, Free: roomy, Files: 1 << 30}
	}
	s := Statfs{Total: r.total, Free: r.free, Files: 1 << 30}
	full := r.spool < file.EarlyAfter*v.o.PartSize // no file gets long enough for that
	if full || n.staysHere() || v.uploads.Stuck() {
		s.Total, s.Free = min(s.Total, r.spoolMax), min(s.Free, r.spool)
	}
	return s
}

// staysHere reports whether no part of what the node is, or has below it, leaves
// before a close.
func (n *Node) staysHere() bool {
	local := n.v.isLocal(n)
	n.v.mu.Lock()
	if local && (n.kind != File || n.v.finalPath(n.parent, n.name) == "") {
		n.v.mu.Unlock()
		return true
	}
	reserved := n.kind == File && n.reserved()
	n.v.mu.Unlock()
	n.content.Lock()
	defer n.content.Unlock()
	return reserved || n.kind == File && n.content.IsHeldBackLocked()
}

// learnRoom gives what is known of the room, not older than roomKept if that can be
// had within a second. It is false if nothing is known yet.
func (v *Volume) learnRoom() (room, bool) {
	v.mu.Lock()
	if !v.room.at.IsZero() && time.Since(v.room.at) < roomKept {
		defer v.mu.Unlock()
		return v.room.room, true
	}
	answered := v.room.asked
	if answered == nil {
		answered = make(chan struct{})
		if !v.tasks.Begin(func() { v.askRoom(answered) }) {
			defer v.mu.Unlock()
			return v.room.room, !v.room.at.IsZero()
		}
		v.room.asked = answered
	}
	v.mu.Unlock()
	timer := time.NewTimer(waitKnown)
	defer timer.Stop()
	select {
	case <-answered:
	case <-timer.C:
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.room.room, !v.room.at.IsZero()
}

// askRoom asks the disks.
func (v *Volume) askRoom(answered chan struct{}) {
	r := room{total: roomy, free: roomy, spool: v.spool.Room()}
	_, r.spoolMax = v.spool.Usage()
	if s, ok := v.store.(interface {
		Room() (total, free int64, err error)
	}); ok {
		if total, free, err := s.Room(); err == nil {
			r.total, r.free = total, free
		} else {
			v.log.Debug("the store does not tell its room", "cause", err)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.room = roomAsked{room: r, at: time.Now()}
	close(answered)
}
