package arrival

import (
	"context"
	"log/slog"
	"time"

	"mcfs/store"
	"mcfs/volume/orphans"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

const (
	// longest is how long a request may take effect after its sender was killed: S3 works for minutes
	// on putting thousands of parts together.
	// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
	longest = 10 * time.Minute
	// requestTimeout bounds one look.
	requestTimeout = time.Minute
)

// waits are how long, in all, an object that has not arrived is waited for right after a kill: its
// request may be on its way in the network though its sender is dead.
var waits = []time.Duration{200 * time.Millisecond, 800 * time.Millisecond}

// Client is what is asked of the store; a *remote.Client is one.
type Client interface {
	IsAt(ctx context.Context, x *remote.Version, key string) (bool, error)
	Find(ctx context.Context, x *remote.Version, key string) (store.Info, bool, error)
	PublishFound(ctx context.Context, x *remote.Version, key string) error
}

// Await waits for as long as a Commit does for a version to come to a key.
func Await(ctx context.Context, c Client, ver *remote.Version, key string) error {
	for _, wait := range waits {
		if ours, err := c.IsAt(ctx, ver, key); ours || err != nil {
			return err
		}
		if err := queue.Sleep(ctx, wait); err != nil {
			return err
		}
	}
	return nil
}

// Commit is one whose end nobody has heard of.
type Commit struct {
	Client   Client
	Making   *remote.Version
	Path     string          // of the file
	At       string          // the key to which it goes; where it was found, once it was
	Places   func() []string // to which an earlier mount may have renamed it since
	Promised bool            // the spool has what it was to bring, or what is newer
	Updated  time.Time       // when it was known to be under way
	Backoff  queue.Backoff
	Log      *slog.Logger
}

// Resolve asks the store until it says whether the object has arrived, and then publishes its
// sidecar, or that of the version that stays. It is not ok where the context ends before.
func (c *Commit) Resolve(ctx context.Context) (ours, ok bool) {
	missed := 0
	ok = c.Backoff.Until(ctx, func() (done bool, wait time.Duration) {
		asking, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		var err error
		ours, err = c.find(asking)
		switch {
		case err == nil && !ours && c.mayArrive() && missed < len(waits):
			missed++
			return false, waits[missed-1]
		case err == nil && ours:
			err = c.Client.PublishFound(asking, c.Making, c.At)
		case err == nil && !c.Promised:
			err = c.republish(asking, c.Making.Fallback())
		}
		switch {
		case err == nil:
			return true, 0
		case remote.IsTransient(err) || ctx.Err() != nil:
			return false, 0
		}
		c.Log.Error("what the store has of a draft is not clear; it is sent again", "path", c.Path, "cause", err)
		ours = false
		return true, 0
	})
	if !ok || ctx.Err() != nil {
		return false, false
	}
	return ours, true
}

// find reports whether the object is at one of its places, and has At be that.
func (c *Commit) find(ctx context.Context) (ours bool, err error) {
	at := c.At
	for i, place := range append([]string{at}, c.Places()...) {
		if i > 0 && place == at {
			continue
		}
		if ours, err = c.Client.IsAt(ctx, c.Making, place); err != nil {
			return false, err
		}
		if ours {
			c.At = place
			return true, nil
		}
	}
	return false, nil
}

// mayArrive reports whether the request for the object is so young that it may still take effect,
// and nothing of this mount is going to replace it.
func (c *Commit) mayArrive() bool { return !c.Promised && time.Since(c.Updated) < longest }

// republish puts the sidecar again that the commit withdrew when it was about to replace the version.
func (c *Commit) republish(ctx context.Context, ver *remote.Version) error {
	if ver == nil || !ver.WantsSidecar() {
		return nil
	}
	if _, ours, err := c.Client.Find(ctx, ver, c.At); err != nil || !ours {
		return err // another version stands there, with a sidecar of its own
	}
	return c.Client.PublishFound(ctx, ver, c.At)
}

// AwaitLate looks again for an object that was given up, until none can arrive any more, and
// publishes its sidecar if it came after all: what it has replaced is gone.
func (c *Commit) AwaitLate(ctx context.Context) (arrived bool) {
	for wait := orphans.Straggle / 5; wait < longest && c.mayArrive(); wait *= 2 {
		if queue.Sleep(ctx, wait) != nil {
			return false
		}
		asking, cancel := context.WithTimeout(ctx, requestTimeout)
		ours, err := c.Client.IsAt(asking, c.Making, c.At)
		if err == nil && ours {
			err = c.Client.PublishFound(asking, c.Making, c.At)
		}
		cancel()
		switch {
		case err != nil && ctx.Err() == nil:
			c.Log.Warn("cannot look whether an upload of the last mount has arrived", "path", c.At, "cause", err)
		case ours:
			return true
		}
	}
	return false
}
