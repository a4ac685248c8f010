package volume

import (
	"context"

	"mcfs/spool"
	"mcfs/volume/file"
	"mcfs/volume/remote"
)

// owner is the node of a content, as that knows it.
type owner struct{ n *Node }

func (o owner) Ino() uint64                        { return o.n.ino }
func (o owner) Path() string                       { return o.n.Path() }
func (o owner) Describe(ctx context.Context) error { return o.n.describe(ctx) }
func (o owner) Save() error                        { return o.n.v.journalEntry(o.n) }
func (o owner) SaveSoon()                          { o.n.v.rejournal(o.n) }
func (o owner) ForgetEntry(id spool.ID)            { o.n.v.finishEntry(id) }
func (o owner) EndOfGrace()                        { o.n.v.commitTemporary(o.n) }
func (o owner) StartEarly()                        { o.n.v.background(o.n.startEarly) }

func (o owner) Places(ver *remote.Version) (places []string, moving bool) { return o.n.places(ver) }

func (o owner) WaitForSpace(ctx context.Context, acks int64, full error) error {
	return o.n.v.waitForSpace(ctx, acks, full)
}

func (o owner) AwaitCommit(ctx context.Context) bool { return o.n.awaitCommit(ctx) }

func (o owner) Settling() bool {
	o.n.v.mu.Lock()
	defer o.n.v.mu.Unlock()
	return o.n.recovering
}

// share gives the contents of files what they need of the volume.
func (v *Volume) share() *file.Shared {
	return &file.Shared{
		Spool: v.spool, Keys: v.keys, Unwrap: v.unwrap, Uploads: v.uploads, Fetches: v.fetches, Remote: v.remote, Log: v.log,
		Context: v.ctx, Background: v.background, Run: v.queue.Run, RunAfter: v.queue.RunAfter, ForgetUpload: v.forgetUpload,
		Mode: v.o.Mode, IVBytes: v.o.IVBytes, PartSize: v.o.PartSize, CloseTimeout: v.o.CloseTimeout, Grace: v.o.Grace,
		UID: v.o.UID, GID: v.o.GID, Boot: v.boot,
	}
}
