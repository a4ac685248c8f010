package volume

import (
	"context"
	"io"

	"mcfs/spool"
	"mcfs/volume/commit"
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

func (o owner) AwaitCommit(ctx context.Context) bool {
	return o.n.commit.AwaitComing(ctx, func() bool { return o.n.v.isClosed(o.n) })
}

func (o owner) IsRecovering() bool {
	o.n.v.mu.Lock()
	defer o.n.v.mu.Unlock()
	return o.n.commit.IsRecoveringLocked()
}

func (o owner) PathLocked() string              { return o.n.v.path(o.n) }
func (o owner) GoneLocked() bool                { return o.n.gone }
func (o owner) BegunLocked()                    { o.n.v.busy[o.n] = struct{}{} }
func (o owner) ForgetCache()                    { o.n.forgetCache() }
func (o owner) ConflictPath(path string) string { return o.n.v.conflictPath(path) }

func (o owner) Judge(path string, content io.ReaderAt, size int64) error {
	return o.n.v.judgeDraft(o.n, path, content, size)
}

// committer runs the commits of the volume's files.
func (v *Volume) committer() *commit.Runner {
	return commit.NewRunner(commit.Config{
		Mu: &v.mu, Context: v.ctx, Queue: v.queue, Store: v.store, Remote: v.remote, Writes: &v.writes, Spool: v.spool,
		Events: v.o.Observer, Log: v.log, Mode: v.o.Mode, CloseTimeout: v.o.CloseTimeout, Backoff: backoff,
		Background: v.background, ChangedLocked: v.signal, BeforeLocked: v.changes.BeforeLocked, NoKeeper: v.logLocked,
		MovedLocked: func() int64 { return v.movedLocked() + v.changes.Steps() },
	})
}

// share gives the contents of files what they need of the volume.
func (v *Volume) share() *file.Shared {
	return &file.Shared{
		Spool: v.spool, Keys: v.keys, Unwrap: v.unwrap, Uploads: v.uploads, Fetches: v.fetches, Remote: v.remote, Log: v.log,
		Context: v.ctx, Background: v.background, Run: v.queue.Run, RunAfter: v.queue.RunAfter, ForgetUpload: v.forgetUpload,
		Mode: v.o.Mode, IVBytes: v.o.IVBytes, PartSize: v.o.PartSize, CloseTimeout: v.o.CloseTimeout, KeepAll: v.o.KeepAll, Grace: v.o.Grace,
		UID: v.o.UID, GID: v.o.GID, Boot: v.boot,
	}
}
