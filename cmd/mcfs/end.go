package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"mcfs/fs"
	"mcfs/internal/drain"
	"mcfs/internal/systemd"
	"mcfs/volume"
)

// hurryTimeout bounds the end after a second signal.
const hurryTimeout = 5 * time.Second

// jobsTimeout bounds the wait for the jobs of hot folders at the end of a mount.
const jobsTimeout = 30 * time.Second

var errLeave = errors.New("told to end at once")

// endSignals end the daemon after it has drained, and at once when they come again.
var endSignals = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}

// serve waits for the end of the mount: a signal, a request, or an umount. Then it drains,
// unmounts and closes everything. Its error names what could not be finished. early is the
// signal that came during the start, nil if none did; the first of signals comes after that.
func (d *daemon) serve(parent context.Context, early os.Signal, signals <-chan os.Signal) error {
	ctx, leave := context.WithCancelCause(context.Background())
	defer leave(nil)
	if early != nil {
		d.log.Info("ending: interrupted at the start", "signal", early.String())
	} else {
		d.awaitEnd(parent, signals, leave)
	}
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { d.watchHurry(signals, ended, leave) })
	err := d.end(ctx)
	close(ended)
	wg.Wait()
	return err
}

// awaitEnd waits until the mount is to end. A request that cannot wait calls leave.
func (d *daemon) awaitEnd(parent context.Context, signals <-chan os.Signal, leave context.CancelCauseFunc) {
	select {
	case <-parent.Done():
		d.log.Info("ending: cancelled")
	case s := <-signals:
		d.log.Info("ending; a second signal ends at once", "signal", s.String())
	case now := <-d.stop:
		d.log.Info("unmount requested", "now", now)
		if now {
			leave(errLeave)
		}
	case <-d.server.Done():
		d.log.Info("unmounted from outside")
	}
}

// watchHurry ends the drain on a second signal or a request that cannot wait.
func (d *daemon) watchHurry(signals <-chan os.Signal, ended <-chan struct{}, leave context.CancelCauseFunc) {
	for {
		select {
		case <-signals:
			leave(errLeave)
		case now := <-d.stop:
			if now {
				leave(errLeave)
			}
		case <-ended:
			return
		}
	}
}

// end drains, unmounts, and closes. When ctx ends it waits no longer than
// hurryTimeout for what is left to close; the process ends with it.
func (d *daemon) end(ctx context.Context) error {
	d.ending.Store(true)
	systemd.Notify("STOPPING=1")
	defer systemd.Extend()()
	result := make(chan error, 1)
	go func() { result <- d.shutDown(ctx) }() // ends with the process at the latest
	select {
	case err := <-result:
		return d.farewell(err)
	case <-ctx.Done():
	}
	select {
	case err := <-result:
		return d.farewell(err)
	case <-time.After(hurryTimeout):
		return d.farewell(fmt.Errorf("left %s with work under way: what is pending is in the spool", d.o.mountpoint))
	}
}

// farewell tells the clients who wait for the end how it went, and returns err.
func (d *daemon) farewell(err error) error {
	d.control.Ended(err)
	return err
}

// shutDown drains until ctx ends, unmounts and closes everything.
func (d *daemon) shutDown(ctx context.Context) error {
	err := d.drain().Run(ctx, d.volume.Close, func(text string) {
		d.log.Info(text)
		d.control.Tell(text)
		systemd.Notify("STATUS=" + text)
	})
	if text := drain.Stay(d.volume.Status().Drafts); text != "" {
		d.log.Info(text)
		d.control.Tell(text)
	}
	d.drained = true
	d.settleWatches(ctx)
	d.feed.Close()
	cut := slices.DeleteFunc(d.volume.Writers(), func(w volume.Writer) bool { return w.Told != "" }) // which Close has named
	if len(cut) > 0 {
		err = errors.Join(drain.CutOff(cut), err)
	}
	d.watchdog.Close() // before the mount is gone, which it looks at
	if uerr := d.server.Unmount(); errors.Is(uerr, fs.ErrElsewhere) {
		d.log.Warn("another mount namespace, as that of a container, has the mount, too; programs there get errors now", "mountpoint", d.o.mountpoint)
	} else if errors.Is(uerr, fs.ErrDetached) {
		d.log.Warn("programs still had files open in the mount; they get errors now", "mountpoint", d.o.mountpoint)
	} else if uerr != nil {
		err = errors.Join(err, uerr)
	}
	d.log.Info("ended", "mountpoint", d.o.mountpoint)
	return errors.Join(err, d.close())
}

// settleWatches waits, for a while, until the hot folders have made the jobs of what was saved last.
func (d *daemon) settleWatches(ctx context.Context) {
	w := d.watches.Load()
	if w == nil {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, jobsTimeout, fmt.Errorf("none after %v", jobsTimeout))
	defer cancel()
	if err := w.Settle(ctx); err != nil {
		text := fmt.Sprintf("hot folder %v; the next mount makes them", err)
		d.log.Warn(text)
		d.control.Tell(text)
	}
}

// drain returns how this daemon waits for what is pending in the volume.
func (d *daemon) drain() drain.Drain {
	return drain.Drain{Pending: d.volume.Pending, Patience: d.o.config.Upload.Timeout}
}
