package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"mcfs/fs"
	"mcfs/internal/human"
	"mcfs/volume"
)

const (
	// progressEvery is how often a drain says what it waits for.
	progressEvery = 2 * time.Second
	// hurryTimeout bounds the end after a second signal.
	hurryTimeout = 5 * time.Second
)

var (
	errLeave = errors.New("told to end at once")
	errStuck = errors.New("no progress")
)

// endSignals end the daemon after it has drained, and at once when they come again.
var endSignals = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}

// serve waits for the end of the mount: a signal, a request, or an umount by
// anybody. Then it drains, unmounts and closes everything. Its error names
// what could not be finished. started is the context of the start, which a
// signal of that time has ended.
func (d *daemon) serve(started context.Context) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, endSignals...)
	defer signal.Stop(signals)

	ctx, leave := context.WithCancelCause(context.Background())
	defer leave(nil)
	select {
	case <-started.Done():
		d.log.Info("ending: interrupted at the start")
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
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { d.watchHurry(signals, ended, leave) })
	err := d.end(ctx)
	close(ended)
	wg.Wait()
	return err
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
	notify("STOPPING=1")
	result := make(chan error, 1)
	go func() { result <- d.shutDown(ctx) }() // ends, or the process does
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

// farewell tells those who asked for the end how it went.
func (d *daemon) farewell(err error) error {
	d.control.Ended(err)
	return err
}

func (d *daemon) shutDown(ctx context.Context) error {
	err := d.whileMoving(ctx, d.volume.Close, func(text string) {
		d.log.Info(text)
		d.control.Tell(text)
		notify("STATUS=" + text)
	})
	if text := stayText(d.volume.Status().Drafts); text != "" {
		d.log.Info(text)
		d.control.Tell(text)
	}
	d.drained = true
	if cut := d.volume.Writers(); len(cut) > 0 {
		err = errors.Join(cutOff(cut), err)
	}
	if uerr := d.server.Unmount(); errors.Is(uerr, fs.ErrDetached) {
		d.log.Warn("programs still had files open in the mount; they get errors now", "mountpoint", d.o.mountpoint)
	} else if uerr != nil {
		err = errors.Join(err, uerr)
	}
	d.log.Info("ended", "mountpoint", d.o.mountpoint)
	return errors.Join(err, d.close())
}

// repair has the sidecars below the paths put right.
func (d *daemon) repair(ctx context.Context, paths []string, tell func(string)) error {
	var errs []error
	for _, path := range paths {
		n, err := d.volume.Repair(ctx, path)
		errs = append(errs, err)
		tell(fmt.Sprintf("sidecars that were not right: %d; they are put again", n))
	}
	return errors.Join(errs...)
}

// sync waits until everything under the paths is committed.
func (d *daemon) sync(ctx context.Context, paths []string, tell func(string)) error {
	for _, path := range paths {
		err := d.whileMoving(ctx, func(ctx context.Context) error { return d.volume.Sync(ctx, path) }, tell)
		if err != nil {
			return err
		}
		if text := stayText(d.volume.Status().Under(path).Drafts); text != "" {
			tell(text)
		}
	}
	return nil
}

// whileMoving runs what waits for pending work, says what it waits for, and
// ends it when nothing moves.
func (d *daemon) whileMoving(ctx context.Context, wait func(context.Context) error, tell func(string)) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { d.report(done, giveUp, tell) })
	err := wait(ctx)
	close(done)
	wg.Wait()
	return err
}

// report says what is waited for, and gives up when nothing moves.
func (d *daemon) report(done <-chan struct{}, giveUp context.CancelCauseFunc, tell func(string)) {
	patience := d.o.config.Upload.Timeout
	tell = onChange(tell)
	ticks := time.NewTicker(progressEvery)
	defer ticks.Stop()
	last, moved := "", time.Now()
	for {
		select {
		case <-done:
			return
		case <-ticks.C:
		}
		waiting := awaited(d.volume.Pending())
		if len(waiting) == 0 {
			continue
		}
		tell(progress(waiting))
		if state := fmt.Sprint(waiting); state != last {
			last, moved = state, time.Now()
		}
		if time.Since(moved) > patience {
			giveUp(fmt.Errorf("%w for %v", errStuck, patience))
			return
		}
	}
}

// onChange is tell without what it has just said: a log is no place for the same line
// thirty times a minute.
func onChange(tell func(string)) func(string) {
	last := ""
	return func(text string) {
		if text != last {
			last = text
			tell(text)
		}
	}
}

// awaited is what a drain waits for: not what stays in the spool in any case.
func awaited(all []volume.Pending) []volume.Pending {
	return slices.DeleteFunc(slices.SortedFunc(slices.Values(all), func(a, b volume.Pending) int {
		return strings.Compare(a.Path, b.Path)
	}), func(p volume.Pending) bool {
		switch p.What {
		case volume.Interrupted.String(), volume.Local.String(), volume.Lost.String():
			return true
		}
		return false
	})
}

// stayText names, in one line, what no drain waits for, for its name keeps it on this
// machine; "" if there is nothing.
func stayText(all []volume.DraftStatus) string {
	var names []string
	for _, s := range all {
		switch s.State {
		case volume.Local.String():
			names = append(names, human.Quoted(s.Path))
		case volume.Temporary.String():
			names = append(names, human.Quoted(s.Path)+" (still open)")
		}
	}
	if len(names) == 0 {
		return ""
	}
	if more := len(names) - mostItems; more > 0 {
		names = append(names[:mostItems], fmt.Sprintf("and %d more", more))
	}
	return "on this machine alone while the name is temporary; rename to upload: " + strings.Join(names, ", ")
}

// progress says it in one line.
func progress(waiting []volume.Pending) string {
	const most = 3
	var files, changes int
	var done, size int64
	var names []string
	for _, p := range waiting {
		if p.Size > 0 {
			files, done, size = files+1, done+min(p.Done, p.Size), size+p.Size
		} else {
			changes++
		}
		if len(names) < most {
			name := human.Quoted(p.Path)
			if p.Reason != "" {
				name += " (" + human.Printable(p.Reason) + ")"
			}
			names = append(names, name)
		}
	}
	if more := len(waiting) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	var what []string
	if files > 0 {
		what = append(what, fmt.Sprintf("%s (%s of %s sent)", human.Count(files, "file"), human.Progress(done), human.Progress(size)))
	}
	if changes > 0 {
		what = append(what, human.Count(changes, "change"))
	}
	return fmt.Sprintf("waiting for %s: %s", strings.Join(what, " and "), strings.Join(names, ", "))
}
