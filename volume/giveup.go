package volume

import (
	"errors"
	"fmt"
	"slices"

	"mcfs/spool"
	"mcfs/volume/upload"
)

// Once the spool is full, the blocks of parts that have been sent are dropped from
// it. Until its object is there, an upload then alone has some bytes of the file, and
// everything that would end it has to pass through here.

// uploadID is the spool's name for an upload: its IV, which no other has.
func uploadID(iv []byte) (id spool.ID) {
	copy(id[:], iv)
	return id
}

// giveUp ends an upload without an object, behind, and lets dropping go with it. It
// refuses, with a *spool.SentError, while that upload alone has bytes of the draft,
// or of content that is still to be committed other than dropping. n is locked.
func (n *Node) giveUp(up *upload.Upload, dropping frozenView) error {
	if n.file != nil && up != nil {
		if err := n.file.GiveUp(uploadID(up.Object().IV), frozenOf(dropping)); err != nil {
			return err
		}
	}
	n.endUpload(up, dropping)
	return nil
}

// forsake ends an upload whatever it alone has: nobody wants the draft any more,
// or it is lost. n is locked.
func (n *Node) forsake(up *upload.Upload, dropping frozenView) {
	n.retire(up)
	n.endUpload(up, dropping)
}

// retire leaves no more blocks to an upload alone: its file is closed. n is locked.
func (n *Node) retire(up *upload.Upload) {
	if n.file != nil && up != nil {
		n.file.Keep(uploadID(up.Object().IV))
	}
}

// endUpload aborts the upload and then releases the view, neither of which may be there.
func (n *Node) endUpload(up *upload.Upload, dropping frozenView) {
	release := func() {}
	if dropping != nil {
		release = dropping.Release
	}
	switch {
	case up != nil:
		n.v.abandon(up, release)
	case dropping != nil:
		n.v.background(release)
	}
}

// giveUpEager gives up the upload of a draft that is still being written. The
// commit starts over under a fresh key. n is locked.
func (n *Node) giveUpEager() error {
	if err := n.giveUp(n.up, nil); err != nil {
		return err
	}
	n.up, n.told, n.eager = nil, false, false
	return nil
}

// holdBytes has the spool keep all bytes of the draft until its commit. It refuses if
// an upload alone has some. n is locked.
func (n *Node) holdBytes() error {
	if n.promised || n.file == nil {
		return nil
	}
	if err := n.file.Hold(); err != nil {
		return err
	}
	n.promised = true
	return nil
}

// unholdBytes undoes holdBytes; n is locked.
func (n *Node) unholdBytes() {
	if n.promised && n.file != nil {
		n.file.Unhold()
	}
	n.promised = false
}

// holdForRename is holdBytes for a draft whose name is about to change, which ends its
// uploads, but for one that goes on. ErrBusy if one of those alone has some of what is to
// be committed; n is locked.
func (n *Node) holdForRename(goesOn bool) error {
	if n.kind != File || n.state == Clean || n.file == nil {
		return nil
	}
	err := errors.Join(n.holdBytes(), n.file.WholeEverywhere())
	switch {
	case err == nil:
		return nil
	case goesOn && isSent(err):
		n.unsafe = n.gen
		return nil
	}
	return fmt.Errorf("%w: %w", ErrBusy, err)
}

// goesOn reports whether the upload of what is being written is to one of these keys, and
// there is no other; v.mu is held and n locked.
func (n *Node) goesOn(keys []string) bool {
	return n.up != nil && n.due == nil && n.attempt == nil && slices.Contains(keys, n.up.Key())
}

// isSent reports whether err says that an upload alone has bytes that are needed here.
func isSent(err error) bool {
	var sent *spool.SentError
	return errors.As(err, &sent)
}

// frozenOf is the spool's view below a view; nil if there is none.
func frozenOf(f frozenView) *spool.Frozen {
	if w, ok := f.(*view); ok {
		return w.z
	}
	return nil
}
