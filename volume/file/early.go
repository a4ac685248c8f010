package file

import (
	"context"
	"slices"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/upload"
)

// EarlyAfter is how many parts a file must have before parts leave while it is
// still being written: the first and the last two stay back anyway.
const EarlyAfter = 4

// leave is when parts of a draft may leave while it is being written.
type leave uint8

const (
	stays    leave = iota // not before its close
	onceFull              // once the spool is full: it replaces a version in its place, and few that do are long
	atOnce                // as soon as it is long enough
)

// advanceLocked tells the upload how far the writer is, or starts one for a file
// that has grown long.
func (c *Content) advanceLocked() {
	if c.early != nil {
		c.early.Advance(c.sealed.InOrder())
		return
	}
	if c.leave != atOnce || c.starting || c.State != Writing || c.sealed.InOrder() < EarlyAfter*c.shared.PartSize {
		return
	}
	c.StartEarlyLocked()
}

// AdvanceLocked has parts leave of a file whose name has kept them back so far, if it is long enough.
func (c *Content) AdvanceLocked() {
	if c.sealed != nil {
		c.advanceLocked()
	}
}

// StartUpload makes an upload to path under a data key and an IV of its own.
func (c *Content) StartUpload(ctx context.Context, path string, src upload.Source) (*upload.Upload, error) {
	key, err := c.takeKey(ctx)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	iv, err := crypt.NewIV(c.shared.Mode, c.shared.IVBytes)
	if err != nil {
		return nil, err
	}
	t := upload.Target{Key: path, Begun: c.begun}
	if s, ok := src.(*source); ok {
		t.Acked = func(off, length int64) {
			s.file.Sent(uploadID(iv), off, length)
			c.shared.Acks.Add(1)
		}
	}
	return c.shared.Uploads.Start(t, key, c.shared.Mode, iv, src)
}

// takeKey gives the draft's own data key to its first upload, and a fresh one to every other.
func (c *Content) takeKey(ctx context.Context) (keys.DataKey, error) {
	c.Lock()
	key := c.fresh
	c.fresh = keys.DataKey{}
	c.Unlock()
	if key.Plain != nil {
		return key, nil
	}
	return c.shared.Keys.Get(ctx)
}

// begun makes the upload durable in the journal before its first byte leaves,
// so that after a crash it is aborted and its key not used again (P2, P5).
func (c *Content) begun(_ context.Context, uploadID string) error {
	if uploadID == "" {
		return nil // a single put: ready journals it, just before it leaves
	}
	c.Lock()
	c.Uploads = append(c.Uploads, uploadID)
	c.Unlock()
	if err := c.host.Save(); err != nil {
		return err
	}
	c.shared.ForgetUpload(store.Upload{ID: uploadID}) // the draft's entry has it
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

// DoomUploadsLocked has the journal know that what the draft's uploads have sent is given up,
// before its entry goes, which has named them. One whose last request may be on its way can
// still become an object, and is forgotten then.
func (c *Content) DoomUploadsLocked() {
	if c.early != nil {
		c.early.Doom()
	}
	if c.snapshot != nil && c.snapshot.Upload != nil {
		c.snapshot.Upload.Doom()
	}
}

// EarlyKeyLocked is the key of the upload of which parts have left early; "" if there is none.
func (c *Content) EarlyKeyLocked() string {
	if c.early == nil {
		return ""
	}
	return c.early.Key()
}

// IsStrandedLocked reports whether the file can be committed under no name but the one that its
// own tells: the upload to that alone has some of it.
func (c *Content) IsStrandedLocked() bool {
	return c.toFinalName && c.IsSentAwayLocked()
}

// PeekStranded locks for a look at what nobody is writing any more.
func (c *Content) PeekStranded() bool {
	c.Lock()
	defer c.Unlock()
	return c.Writers == 0 && c.IsStrandedLocked()
}

// IsSentAwayLocked reports whether an upload alone has some of the file.
func (c *Content) IsSentAwayLocked() bool { return c.WholeLocked() != nil }

func (c *Content) PeekSentAway() bool {
	c.Lock()
	defer c.Unlock()
	return c.IsSentAwayLocked()
}

// IsPromised reports whether a close or an fsync has promised content of the file that
// nothing but the spool has.
func (c *Content) IsPromised() bool {
	c.Lock()
	defer c.Unlock()
	switch c.State {
	case Writing, Queued, Uploading, Publishing:
		return c.Kept > c.Committed
	}
	return false
}

// LeaveForOwnNameLocked gives up an upload to the name that the file's own tells, since it is to be committed
// under its own. It refuses where that upload alone has some of the file.
func (c *Content) LeaveForOwnNameLocked() error {
	if !c.toFinalName {
		return nil
	}
	return c.GiveUpEarlyLocked()
}

// StartEarlyLocked has an early upload begin, behind.
func (c *Content) StartEarlyLocked() {
	c.starting = true
	c.host.StartEarly()
}

// StartEarly begins an upload of the sealed file, which is still being written, to the path.
func (c *Content) StartEarly(ctx context.Context, path string) (*upload.Upload, *spool.File, error) {
	c.Lock()
	file := c.sealed
	c.Unlock()
	if file == nil {
		return nil, nil, nil
	}
	up, err := c.StartUpload(ctx, path, &source{file: file})
	return up, file, err
}

// TakeEarlyLocked has the parts of the file leave by an upload that has begun. It reports
// false where that does not fit any more: it is to be aborted. told says that its key is not
// the file's own.
func (c *Content) TakeEarlyLocked(up *upload.Upload, file *spool.File, wanted, told bool) bool {
	c.starting = false
	if up == nil || !wanted || c.leave == stays || file == nil || c.sealed != file || c.early != nil {
		return false
	}
	c.early, c.toFinalName = up, told
	file.LeaveTo(uploadID(up.Object().IV))
	up.Advance(file.InOrder())
	return true
}

// CanStartLocked reports whether parts of a file can begin to leave that do so only for space, and
// would make some: its own name is temporary, or it replaces a version from its start on.
func (c *Content) CanStartLocked() bool {
	if c.leave == stays || (c.State == Writing) != (c.leave == onceFull) || c.early != nil || c.starting || c.held || c.sealed == nil {
		return false
	}
	return c.sealed.InOrder() >= EarlyAfter*c.shared.PartSize
}

// IsLeavingLocked reports whether parts are leaving early, which makes space.
func (c *Content) IsLeavingLocked() bool { return c.starting || c.early != nil && c.early.Leaving() }

// IsHeldBackLocked reports whether no part leaves before the close, however long the file grows.
func (c *Content) IsHeldBackLocked() bool {
	return c.State == Writing && c.leave != atOnce && c.early == nil
}

// EarlyLocked is the upload by which parts have left early; nil if there is none.
func (c *Content) EarlyLocked() *upload.Upload { return c.early }

// SentEarlyLocked is how many bytes of ciphertext have left so.
func (c *Content) SentEarlyLocked() int64 {
	if c.early == nil {
		return 0
	}
	return c.early.Progress()
}

// LeavesOnlyToLocked reports whether the only upload of the draft, but for an attempt's, is to one of these keys.
func (c *Content) LeavesOnlyToLocked(keys []string) bool {
	return c.early != nil && c.snapshot == nil && slices.Contains(keys, c.early.Key())
}

// GoOnToLocked has the early upload go on under the path that the file has now.
func (c *Content) GoOnToLocked(path string) { c.toFinalName = c.EarlyKeyLocked() != path }

// LeavesForFinalNameLocked reports whether parts have left for the name that the file's own tells.
func (c *Content) LeavesForFinalNameLocked() bool { return c.toFinalName }
