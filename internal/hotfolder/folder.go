package hotfolder

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/internal/feed"
	"mcfs/internal/stored"
	"mcfs/mediaconvert/batch"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
)

// Folder is what is watched, and how.
type Folder struct {
	Volume    *stored.Volume
	Addresses []string               // of folders and files of the volume
	Wanted    func(name string) bool // by a file's name

	// Left reports whether a file is left to another hot folder; nil: none is.
	Left func(address string) bool

	API     jobs.API
	Pace    jobs.Pace
	Build   func(stored.Version) (document.Document, error)
	MaxJobs int           // made and followed at once
	Every   time.Duration // how often all is looked at
	// Listen tells what happens in a mount of the volume until that ends; nil: there is none.
	Listen func(ctx context.Context, tell func(feed.Line)) error
	// Tell is told what becomes of each version, by several goroutines.
	Tell func(News)
	// Owed counts what is not done yet; nil: Run counts by itself.
	Owed *Owed
}

// Kind is what there is to tell of a version.
type Kind int

const (
	Made       Kind = iota // its job is made
	Adopted                // it had one, which was not noted yet, or still runs
	Moves                  // its job has got further
	Ended                  // its job has ended
	Replaced               // the file was saved again while its job waits or runs
	Would                  // it has no job, and would have one made
	Failed                 // it has no job, or its job cannot be followed any more
	Unfollowed             // its job, of which Made or Adopted was told, is followed no more: it may have ended
	Looked                 // at all files, of whatever version
)

// News is what there is to tell of a version.
type News struct {
	Kind     Kind
	Address  string
	Job      types.Job // of Made, Adopted, Ended, Unfollowed, Replaced
	IV       string    // as the settings spell it, of Made, Adopted, Ended; of Failed where it is known
	State    jobs.State
	Warnings []string
	Err      error // of Failed
	Again    bool  // it is tried again
}

// item is a file that is to be looked at, or a job that runs already.
type item struct {
	address, etag string // of its settings, where a listing has told it
	job           *types.Job
}

const (
	// backlog is how many files that a mount tells of may wait. More are found by a look at all.
	backlog = 1024
	// firstRest is how long nothing is tried after a failure that may pass, mostRest at most.
	firstRest = time.Second
	mostRest  = time.Minute
	// reconnect is after how long a mount is asked again that has ended.
	reconnect = 5 * time.Second
)

// watch is a folder that is watched.
type watch struct {
	Folder
	memory

	saved chan string   // addresses of which a mount has told
	again chan struct{} // one waiting token: all is to be looked at
}

// Run watches until ctx ends, and returns the cause.
func (f Folder) Run(ctx context.Context) error {
	w := &watch{Folder: f, memory: newMemory(), saved: make(chan string, backlog), again: make(chan struct{}, 1)}
	if w.Owed == nil {
		w.Owed = new(Owed)
	}
	heard := make(chan struct{})
	go func() { // ends with ctx
		defer close(heard)
		w.listen(ctx)
	}()
	err := batch.Run(ctx, f.MaxJobs, w.each, func(ctx context.Context, it item) (away bool) {
		w.do(ctx, it)
		return false // nothing ends it
	})
	<-heard
	return err
}

// Covers reports whether a file is watched.
func (f *Folder) Covers(address string) bool {
	for _, at := range f.Addresses {
		if address == at || strings.HasSuffix(at, "/") && strings.HasPrefix(address, at) || strings.HasPrefix(address, at+"/") {
			return f.Wanted(path.Base(address)) && !f.isLeft(address)
		}
	}
	return false
}

// isLeft reports whether a file is left to another hot folder.
func (f *Folder) isLeft(address string) bool { return f.Left != nil && f.Left(address) }

// listen has files looked at of which a mount tells.
func (w *watch) listen(ctx context.Context) {
	for w.Listen != nil && ctx.Err() == nil {
		_ = w.Listen(ctx, w.hear) // without it a look at all finds the same, later
		sleep(ctx, reconnect)
	}
}

// hear takes a line of a mount.
func (w *watch) hear(l feed.Line) {
	switch {
	case l.IsListening(), l.IsMissed(), l.IsRename() && l.Dir:
		w.lookAgain()
	case !l.IsCommit() && !l.IsRename(), !w.Covers(l.Address):
	default:
		w.Owed.add(1)
		select {
		case w.saved <- l.Address:
		default:
			w.Owed.add(-1)
			w.lookAgain()
		}
	}
}

// lookAgain has all looked at soon; until then that is owed.
func (w *watch) lookAgain() {
	w.Owed.add(1)
	select {
	case w.again <- struct{}{}:
	default:
		w.Owed.add(-1)
	}
}

// each names files that are to be looked at, until ctx ends: the jobs that run
// already, all files again and again, and meanwhile those of which a mount tells.
func (w *watch) each(ctx context.Context, do func(item) bool) error {
	rest := time.Duration(0)
	for taken, asked := false, false; ctx.Err() == nil; {
		err := w.lookAtAll(ctx, &taken, do)
		if asked {
			w.Owed.add(-1)
		}
		if why := fmt.Sprint(err); w.isNews("", "", why) && err != nil && ctx.Err() == nil {
			w.Tell(News{Kind: Failed, Err: err, Again: true})
		}
		if err == nil && !w.failing() {
			w.Tell(News{Kind: Looked})
		}
		pause := w.Every
		if err != nil || w.failing() {
			rest = min(max(2*rest, firstRest), mostRest)
			pause = rest
		} else {
			rest = 0
		}
		if asked = w.await(ctx, pause, do); ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// lookAtAll names the jobs that run, once, and all files.
func (w *watch) lookAtAll(ctx context.Context, taken *bool, hand func(item) bool) error {
	w.begin()
	do := func(it item) bool {
		w.Owed.add(1)
		return hand(it)
	}
	if !*taken {
		running, err := jobs.Running(ctx, w.API, w.Pace)
		if err != nil {
			return err
		}
		for i, j := range running {
			at := aws.ToString(j.Settings.Inputs[0].FileInput)
			if w.Covers(at) && !do(item{address: at, job: &running[i]}) {
				return nil
			}
		}
		*taken = true
	}
	for _, at := range w.Addresses {
		err := w.Volume.EachSettings(ctx, at, w.Wanted, func(address, etag string) bool {
			if w.isKnown(address, etag) || w.isLeft(address) {
				return true
			}
			return do(item{address: address, etag: etag}) && !w.isAway(w.MaxJobs)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// await names the files of which a mount tells, until it is time to look at all, or ctx ends. It
// reports whether a look at all was asked for.
func (w *watch) await(ctx context.Context, pause time.Duration, do func(item) bool) (asked bool) {
	t := time.NewTimer(pause)
	defer t.Stop()
	for {
		select {
		case address := <-w.saved:
			if !do(item{address: address}) {
				return false
			}
		case <-w.again:
			return true
		case <-t.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// sleep waits so long, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// errNoted is returned of a version of which another job is noted than was found.
var errNoted = errors.New("another job of the same version is noted in its settings")
