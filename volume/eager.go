package volume

import (
	"context"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/upload"
)

// eagerAfter is how many parts a file must have before parts leave while it is
// still being written: the first and the last two stay back anyway.
const eagerAfter = 4

// advance tells the upload how far the writer is, or starts one for a file
// that has grown long; n is locked.
func (n *Node) advance() {
	if n.up != nil {
		n.up.Advance(n.file.Written())
		return
	}
	if !n.eager || n.starting || n.state != Writing || n.file.Written() < eagerAfter*n.v.o.PartSize {
		return
	}
	n.starting = true
	n.v.background(n.startEager)
}

// startEager begins the upload of a draft that is still being written.
func (n *Node) startEager() {
	up, file, path := n.newEager()
	v := n.v
	v.mu.Lock()
	n.lock()
	n.starting = false
	fits := up != nil && n.eager && file != nil && n.file == file && n.up == nil && n.attempt == nil && !n.gone && v.aim(n) == path
	if fits {
		n.up, n.told = up, path != v.path(n)
		file.LeaveTo(uploadID(up.Object().IV))
		up.Advance(file.Written())
	}
	n.unlock()
	v.mu.Unlock()
	if up != nil && !fits {
		up.Abort()
	}
}

// newEager makes the upload of the file as it is to the path that it aims at; nil where none is wanted now.
func (n *Node) newEager() (up *upload.Upload, file *spool.File, path string) {
	v := n.v
	v.mu.Lock()
	n.lock()
	path, file = v.aim(n), n.file
	unwanted := n.gone || n.attempt != nil || n.reserved() || path == "" || file == nil
	n.unlock()
	v.mu.Unlock()
	if unwanted {
		return nil, nil, path
	}
	up, err := n.startUpload(v.ctx, path, &source{file: file})
	if err != nil {
		v.log.Warn("parts cannot leave before close", "path", path, "cause", err)
		return nil, nil, path
	}
	return up, file, path
}

// startUpload makes an upload to path under a data key and an IV of its own.
func (n *Node) startUpload(ctx context.Context, path string, src upload.Source) (*upload.Upload, error) {
	key, err := n.takeKey(ctx)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	iv, err := crypt.NewIV(n.v.o.Mode, n.v.o.IVBytes)
	if err != nil {
		return nil, err
	}
	t := upload.Target{Key: path, Begun: n.begun}
	if s, ok := src.(*source); ok {
		t.Acked = func(off, length int64) {
			s.file.Sent(uploadID(iv), off, length)
			n.v.acks.Add(1)
		}
	}
	return n.v.uploads.Start(t, key, n.v.o.Mode, iv, src)
}

// takeKey gives the draft's own data key to its first upload, and a fresh one to every other.
func (n *Node) takeKey(ctx context.Context) (keys.DataKey, error) {
	n.lock()
	key := n.fresh
	n.fresh = keys.DataKey{}
	n.unlock()
	if key.Plain != nil {
		return key, nil
	}
	return n.v.keys.Get(ctx)
}

// begun makes the upload durable in the journal before its first byte leaves,
// so that after a crash it is aborted and its key not used again (P2, P5).
func (n *Node) begun(_ context.Context, uploadID string) error {
	if uploadID == "" {
		return nil // a single put: ready journals it, just before it leaves
	}
	n.lock()
	n.uploads = append(n.uploads, uploadID)
	n.unlock()
	if err := n.v.journalEntry(n); err != nil {
		return err
	}
	n.v.forgetUpload(store.Upload{ID: uploadID}) // the draft's entry has it
	return nil
}

// source gives the upload views of a draft that is still being written.
type source struct{ file *spool.File }

// Freeze implements upload.Source.
func (s *source) Freeze(off, n int64) (upload.View, error) {
	z, err := s.file.Freeze(off, n)
	if err != nil {
		return nil, err
	}
	return z, nil
}

// doomUploads has the journal know that what the draft's uploads have sent is given up,
// before its entry goes, which has named them. One whose last request may be on its way can
// still become an object, and is forgotten then. Volume.mu is held and n locked.
func (n *Node) doomUploads() {
	if n.up != nil {
		n.up.Doom()
	}
	if n.due != nil && n.due.up != nil {
		n.due.up.Doom()
	}
	if n.attempt == nil {
		return
	}
	if up := n.attempt.up.Load(); up != nil {
		up.Doom()
	}
}

// abandon gives an upload up without waiting, and then calls then.
func (v *Volume) abandon(up *upload.Upload, then func()) {
	if up.Abandon(then) {
		return
	}
	v.background(func() {
		up.Abort()
		then()
	})
}
