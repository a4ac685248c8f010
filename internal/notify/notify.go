package notify

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"mcfs/internal/feed"
)

// saved is the failure of a feed that is one of a save, and not of a change of a name.
const saved = "commit"

// clock is how long things take.
type clock struct {
	burst   time.Duration // what fails within it is shown together
	between time.Duration // of one notification and the next
	call    time.Duration // of the desktop
}

var usual = clock{burst: 3 * time.Second, between: 30 * time.Second, call: 2 * time.Second}

// desktop shows a notification.
type desktop func(ctx context.Context, title, body string) error

// Notifier shows the failures of a mount.
type Notifier struct {
	mountpoint string
	show       desktop
	clock      clock
	log        *slog.Logger

	end   context.CancelFunc
	tasks sync.WaitGroup
	news  chan struct{} // holds one while something is not shown

	mu      sync.Mutex
	pending failures
}

// Start begins to show what fails from now on, until Close. It returns nil where there is no desktop.
func Start(f *feed.Feed, mountpoint string, log *slog.Logger) *Notifier {
	show := findDesktop()
	if show == nil {
		return nil
	}
	return start(f, mountpoint, show, usual, log)
}

func start(f *feed.Feed, mountpoint string, show desktop, c clock, log *slog.Logger) *Notifier {
	ctx, end := context.WithCancel(context.Background())
	n := &Notifier{mountpoint: mountpoint, show: show, clock: c, log: log, end: end, news: make(chan struct{}, 1)}
	since := f.Since()
	followed := make(chan struct{})
	n.tasks.Go(func() {
		defer close(followed)
		_ = f.Follow(ctx, "", since, n.take) // it ends with the feed or ctx
	})
	n.tasks.Go(func() { n.run(followed) })
	return n
}

// Close shows what is not shown yet, and returns within the time of one call.
func (n *Notifier) Close() error {
	if n == nil {
		return nil
	}
	n.end()
	n.tasks.Wait()
	return nil
}

// take notes what a line says of a save that has failed for good.
func (n *Notifier) take(l feed.Line) error {
	if !l.IsFailure() || l.Again || l.What != saved {
		return nil
	}
	n.mu.Lock()
	n.pending.add(l)
	n.mu.Unlock()
	select {
	case n.news <- struct{}{}:
	default:
	}
	return nil
}

// run shows what was noted, a burst at a time, until all that has happened is.
func (n *Notifier) run(followed <-chan struct{}) {
	for {
		select {
		case <-n.news:
		case <-followed:
			n.tell()
			return
		}
		pause(followed, n.clock.burst)
		n.tell()
		pause(followed, n.clock.between)
	}
}

// tell shows what is pending. A desktop that does not answer is no fault of the mount.
func (n *Notifier) tell() {
	n.mu.Lock()
	failed := n.pending
	n.pending = failures{}
	n.mu.Unlock()
	if failed.count == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), n.clock.call)
	defer cancel()
	title, body := failed.text(n.mountpoint)
	if err := n.show(ctx, title, body); err != nil {
		n.log.Debug("the desktop shows no notification", "err", err)
	}
}

// pause waits, unless that ends.
func pause(end <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-end:
	}
}
