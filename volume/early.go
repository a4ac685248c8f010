package volume

import (
	"mcfs/spool"
	"mcfs/volume/upload"
)

// startEarly begins the upload of a draft that is still being written.
func (n *Node) startEarly() {
	up, file, path := n.newEarly()
	v := n.v
	v.mu.Lock()
	n.content.Lock()
	wanted := n.commit.AttemptLocked() == nil && !n.gone && v.uploadKey(n) == path
	fits := n.content.TakeEarlyLocked(up, file, wanted, path != v.path(n))
	n.content.Unlock()
	v.mu.Unlock()
	if up != nil && !fits {
		up.Abort()
	}
}

// newEarly makes the upload of the file as it is to the path that it aims at; nil where none is wanted now.
func (n *Node) newEarly() (up *upload.Upload, file *spool.File, path string) {
	v := n.v
	v.mu.Lock()
	n.content.Lock()
	path = v.uploadKey(n)
	unwanted := n.gone || n.commit.AttemptLocked() != nil || n.reserved() || path == ""
	n.content.Unlock()
	v.mu.Unlock()
	if unwanted {
		return nil, nil, path
	}
	up, file, err := n.content.StartEarly(v.ctx, path)
	if err != nil {
		v.log.Warn("parts cannot leave before close", "path", path, "cause", err)
		return nil, nil, path
	}
	return up, file, path
}

// dropUploads marks the uploads of the draft, and of its attempt, as not needed. Volume.mu is held and n locked.
func (n *Node) dropUploads() {
	n.content.DoomUploadsLocked()
	if n.commit.AttemptLocked() == nil {
		return
	}
	if up := n.commit.AttemptLocked().Upload(); up != nil {
		up.Doom()
	}
}
