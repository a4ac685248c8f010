package watches

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"mcfs/config"
	"mcfs/internal/backend"
	"mcfs/internal/feed"
	"mcfs/internal/hotfolder"
	"mcfs/internal/jobspec"
	"mcfs/internal/paths"
	"mcfs/internal/status"
	"mcfs/internal/stored"
	"mcfs/mediaconvert/batch"
	"mcfs/mediaconvert/jobs"
	"mcfs/store"
)

const (
	// firstRest is after how long a hot folder is begun again that could not be, mostRest at most.
	firstRest = time.Second
	mostRest  = time.Minute
)

// Options are what the hot folders of a mount need.
type Options struct {
	Config config.Config
	Store  store.Store // stays open until Close has returned
	Feed   *feed.Feed  // of the mount
	Log    *slog.Logger
}

// Watches are the hot folders of a mount.
type Watches struct {
	o       Options
	volume  *stored.Volume
	outputs *batch.Outputs
	all     []*watch

	ctx    context.Context // of all that is done, until Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Start begins to watch, and returns at once.
func Start(o Options) *Watches {
	w := &Watches{o: o, outputs: batch.NewOutputs()}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.volume = stored.New(o.Config, func(context.Context, config.Config) (store.Store, error) { return o.Store, nil })
	for _, c := range o.Config.Watch {
		w.all = append(w.all, w.newWatch(c))
	}
	for _, one := range w.all {
		w.wg.Go(func() { one.run(w.ctx) }) // ends by Close
		o.Log.Info("the hot folder is watched: each version of its files gets a job", "folder", one.c.String())
	}
	return w
}

// Close ends the hot folders, and waits for them.
func (w *Watches) Close() error {
	w.cancel()
	w.wg.Wait()
	return nil
}

// Status is how the hot folders are.
func (w *Watches) Status() []status.HotFolder {
	var list []status.HotFolder
	for _, one := range w.all {
		list = append(list, one.status())
	}
	return list
}

// newWatch is a hot folder that leaves to those before it what they watch.
func (w *Watches) newWatch(c config.Watch) *watch {
	one := &watch{of: w, c: c, state: status.HotFolder{Path: c.Path, Match: c.Match}}
	before := w.all
	one.folder = hotfolder.Folder{
		Volume: w.volume, Addresses: []string{w.volume.Address() + c.Path}, Wanted: paths.Source{Match: c.Match}.Wanted,
		Pace: jobs.Pace{Every: c.Poll}, MaxJobs: c.MaxJobs, Every: c.Every, Tell: one.tell,
		Left: func(address string) bool {
			for _, b := range before {
				if b.folder.Covers(address) {
					return true
				}
			}
			return false
		},
		Owed: new(hotfolder.Owed),
	}
	one.progress.deaf = true
	one.folder.Listen = one.listen
	return one
}

// watch is one hot folder.
type watch struct {
	of       *Watches
	c        config.Watch
	folder   hotfolder.Folder // without what may fail
	progress progress

	mu    sync.Mutex
	state status.HotFolder
}

func (w *watch) status() status.HotFolder {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// listen tells the folder what happens in the mount, until ctx or the mount ends.
func (w *watch) listen(ctx context.Context, tell func(feed.Line)) error {
	defer w.progress.set(func(p *progress) { p.deaf = true })
	f := w.of.o.Feed
	return f.Follow(ctx, "", "", func(l feed.Line) error {
		tell(l)
		w.progress.set(func(p *progress) { p.deaf, p.heard = false, max(p.heard, f.Number(l)) })
		return nil
	})
}

// run watches until ctx ends. What cannot be begun is begun again, later each time.
func (w *watch) run(ctx context.Context) {
	for rest := firstRest; ctx.Err() == nil; rest = min(2*rest, mostRest) {
		folder, err := w.open(ctx)
		if err == nil {
			err = folder.Run(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		w.tell(hotfolder.News{Kind: hotfolder.Failed, Err: err, Again: true})
		sleep(ctx, rest)
	}
}

// open finds the service, and reads the template, unless another user could have written it meanwhile.
func (w *watch) open(ctx context.Context) (hotfolder.Folder, error) {
	f, c := w.folder, w.of.o.Config
	if err := c.CheckPlaces(); err != nil {
		return f, err
	}
	a, err := backend.LoadAWS(ctx, c)
	if err != nil {
		return f, err
	}
	region := cmp.Or(w.c.Region, a.Region, c.Store.Region)
	o, err := jobspec.Of(w.c.Making).Options(nil)
	if err != nil {
		return f, err
	}
	o.Region = region
	if f.API, err = jobs.NewClient(a, region, w.c.Endpoint); err != nil {
		return f, err
	}
	f.Build = hotfolder.Builder{Options: o, Volume: w.of.volume.Address(), Outputs: w.of.outputs}.Build
	return f, nil
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
