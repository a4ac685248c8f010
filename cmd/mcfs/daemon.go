package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"mcfs/config"
	"mcfs/crypt"
	"mcfs/fs"
	"mcfs/internal/backend"
	"mcfs/internal/control"
	"mcfs/internal/feed"
	"mcfs/internal/logs"
	"mcfs/internal/memory"
	"mcfs/internal/metrics"
	"mcfs/internal/notify"
	"mcfs/internal/setup"
	"mcfs/internal/status"
	"mcfs/internal/watchdog"
	"mcfs/internal/watches"
	"mcfs/internal/web"
	"mcfs/spool"
	"mcfs/volume"
)

const (
	// uploadMemory and fetchMemory are the most that the pipelines buffer, bytes.
	uploadMemory = 80 << 20
	fetchMemory  = 48 << 20
)

// mountOptions are what the command line adds to the configuration.
type mountOptions struct {
	mountpoint string
	config     config.Config
	file       string        // of the configuration, absolute; empty: as config.Load finds it
	asRead     config.Config // what the file said, without what the command line has added
	logFile    string        // absolute; empty: standard error
	extra      []string      // for the kernel
	readOnly   bool
	uid, gid   *uint32 // the owner of what has none recorded, and of what is made; nil: who mounts, and who makes it
}

// ownerOfOld returns the owner of files that have none recorded.
func (o mountOptions) ownerOfOld() (uid, gid uint32) {
	uid, gid = uint32(os.Geteuid()), uint32(os.Getegid())
	if o.uid != nil {
		uid = *o.uid
	}
	if o.gid != nil {
		gid = *o.gid
	}
	return uid, gid
}

// daemon is a mount and everything that was opened for it, which is more than fifteen parts.
type daemon struct {
	o       mountOptions
	log     *slog.Logger
	level   slog.LevelVar // of the log
	backend backend.Backend

	reloading sync.Mutex // held while the configuration is taken over

	out     *logs.Destination // of the log
	closers []func() error    // in the order of opening

	spool   *spool.Spool
	volume  *volume.Volume
	server  *fs.Server
	control *control.Server
	feed    *feed.Feed                      // of what happens, for those who listen
	metrics *metrics.Server                 // nil: none asked for
	page    *web.Server                     // nil: none asked for
	watches atomic.Pointer[watches.Watches] // nil: not begun, or none asked for

	watchdog *watchdog.Watchdog // of systemd; nil: it waits for no word

	stop    chan bool // a request to end; true: at once
	ending  atomic.Bool
	drained bool // the volume is closed
}

// start opens everything and mounts. After an error nothing is mounted and nothing open.
// The log goes to standard error until the spool is open, and then to o.logFile.
func start(ctx context.Context, o mountOptions, std stdio) (_ *daemon, err error) {
	d := &daemon{o: o, stop: make(chan bool, 8)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.o.mountpoint, err = fs.Preflight(o.mountpoint, o.config.Mount.AllowOther); err != nil {
		return nil, err
	}
	if err = setup.CheckPlaces(d.o.mountpoint, o.config, o.logFile); err != nil {
		return nil, err
	}
	if err = d.listen(); err != nil { // early, since it leaves nothing behind when it fails
		return nil, err
	}
	d.closers = append(d.closers, memory.Limit())
	syscall.Umask(0o077)
	d.out = logs.NewDestination(std.err)
	d.level.Set(o.config.Log.Level.Slog())
	d.log = logs.New(o.config.Log, &d.level, d.out)
	unlocked := memory.Lock() // before the first key comes
	b, err := backend.Open(ctx, o.config, d.log)
	if err != nil {
		return nil, err
	}
	d.backend = b
	d.closers = append(d.closers, b.Store.Close)
	if err = d.openSpool(); err != nil {
		return nil, err
	}
	if err = d.openLog(); err != nil {
		return nil, err
	}
	if err = d.openVolume(ctx, b); err != nil {
		return nil, err
	}
	if err = d.mount(ctx); err != nil {
		return nil, err
	}
	d.watch(b)
	d.showPage()
	d.notify()
	if unlocked != nil {
		d.log.Info("memory, and keys with it, may come into the swap: encrypt that, or lift the limit of locked memory (LimitMEMLOCK=infinity, ulimit -l)", "err", unlocked)
	}
	return d, nil
}

// listen listens where metrics and the page are asked for.
func (d *daemon) listen() (err error) {
	if address := d.o.config.Metrics.Listen; address != "" {
		if d.metrics, err = metrics.Listen(address); err != nil {
			return err
		}
		d.closers = append(d.closers, d.metrics.Close)
	}
	if address := d.o.config.Web.Listen; address != "" {
		if d.page, err = web.Listen(address); err != nil {
			return err
		}
		d.closers = append(d.closers, d.page.Close)
	}
	return nil
}

func (d *daemon) openSpool() (err error) {
	c := d.o.config.Spool
	d.spool, err = spool.Open(spool.Options{Dir: c.Dir, MaxSize: int64(c.MaxSize), Log: d.log})
	if errors.Is(err, spool.ErrLocked) {
		return fmt.Errorf("%w: the volume is mounted already; unmount it there, or give this mount a spool.dir of its own", err)
	}
	if err != nil {
		return err
	}
	d.closers = append(d.closers, d.spool.Close)
	return nil
}

// openLog moves the log to its file.
func (d *daemon) openLog() error {
	if d.o.logFile == "" {
		return nil
	}
	f, err := logs.OpenFile(d.o.logFile)
	if err != nil {
		return err
	}
	d.closers = append(d.closers, func() error { d.out.Redirect(os.Stderr); return f.Close() })
	d.out.Redirect(f)
	return nil
}

func (d *daemon) openVolume(ctx context.Context, b backend.Backend) error {
	c := d.o.config
	mode, err := crypt.ParseMode(string(c.Crypt.Mode))
	if err != nil {
		return err
	}
	uid, gid := d.o.ownerOfOld()
	keeper := b.Keeper
	if d.metrics != nil {
		keeper = d.metrics.Metered(keeper)
		d.metrics.Paced(b.Pace.Rate)
	}
	d.feed = feed.New(feed.Place{Mountpoint: d.o.mountpoint, Address: status.InS3(status.VolumeName(c))})
	d.volume, err = volume.Open(ctx, volume.Options{
		Store: b.Store, Keeper: keeper, Spool: d.spool, Log: d.log, Observer: d.feed,
		Mode: mode, IVBytes: c.Crypt.IVBytes, Bits: c.Keys.Bits, Streaming: c.Crypt.GCMReads == config.ReadsStreaming,
		KeepAll:  c.Spool.Keep == config.KeepAll,
		PartSize: int64(c.Upload.PartSize), Concurrency: c.Upload.Concurrency, UploadMemory: uploadMemory, FetchMemory: fetchMemory,
		CloseTimeout: c.Upload.Timeout, SpoolDurable: c.Mount.Durability == config.DurabilitySpool,
		Hidden: c.Mount.Sidecars == config.SidecarsHidden, LocalOnly: c.Mount.LocalOnly, CommitOnFsync: c.Mount.CommitOnFsync, Grace: c.Mount.Grace, Fresh: freshness(c.Mount.Fresh),
		UncheckedLinks: c.Mount.UncheckedSymlinks, UID: uid, GID: gid,
	})
	if err != nil {
		return err
	}
	d.closers = append(d.closers, d.closeVolume)
	if d.metrics != nil {
		d.metrics.Serve(d.volume, d.feed, d.log)
		d.closers = append(d.closers, d.metrics.Close) // before the volume it asks
	}
	return nil
}

// freshness returns the volume's option for a setting. There 0 is the default, and -1 is for
// a setting of 0.
func freshness(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// closeVolume closes the volume of a mount that was not made, without waiting for what an
// earlier one has left in the spool.
func (d *daemon) closeVolume() error {
	if d.drained {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = d.volume.Close(ctx) // its error only names what is pending
	return nil
}

func (d *daemon) mount(ctx context.Context) (err error) {
	d.control, err = control.Listen(d.o.mountpoint, control.Handler{
		Stop: d.requestStop, Unused: d.unused, Sync: d.sync, Repair: d.repair, Wrong: d.wrong, Restore: d.restore,
		Status: func(path string) any { return d.status(path) }, Events: d.events, Reload: d.reload,
		Log: func(err error) { d.log.Warn("a request of a command could not be taken", "err", err) },
	})
	if err != nil {
		return err
	}
	d.closers = append(d.closers, d.control.Close)
	d.server, err = fs.Mount(ctx, d.o.mountpoint, d.volume, fs.Options{
		AllowOther: d.o.config.Mount.AllowOther, FsName: source(d.o.config),
		ReadOnly: d.o.readOnly, UID: d.o.uid, GID: d.o.gid, Extra: d.o.extra, Log: d.log,
	})
	if err != nil {
		return err
	}
	d.log.Info("mounted", "mountpoint", d.o.mountpoint, "volume", source(d.o.config), "spool", d.o.config.Spool.Dir, "config", d.o.config.Source)
	return nil
}

// watch begins the hot folders of the configuration. They note their jobs in the store, which a
// mount that changes nothing must not.
func (d *daemon) watch(b backend.Backend) {
	c := d.o.config
	switch {
	case len(c.Watch) == 0:
		return
	case d.o.readOnly:
		d.log.Info("the hot folders of the configuration are not watched, since the mount is read-only")
		return
	}
	w := watches.Start(watches.Options{Config: c, Store: b.Store, Feed: d.feed, Log: d.log})
	d.closers = append(d.closers, w.Close)
	d.watches.Store(w)
}

// notify shows failed saves on the desktop, if there is one.
func (d *daemon) notify() {
	if d.o.config.Notify.Desktop == config.DesktopOff {
		return
	}
	d.closers = append(d.closers, notify.Start(d.feed, d.o.mountpoint, d.log).Close)
}

// showPage shows the status as a page until everything else is closed.
func (d *daemon) showPage() {
	if d.page == nil {
		return
	}
	d.page.Serve(web.OfDaemon(func() status.Report { return d.status("") }, d.feed, d.volume))
	d.closers = append(d.closers, d.page.Close) // before what it shows
	d.log.Info("the status is shown as a page: mcfs status tells the address", "listen", d.o.config.Web.Listen)
}

func (d *daemon) requestStop(now bool) {
	select {
	case d.stop <- now:
	default: // enough requests are waiting
	}
}

// close closes in reverse order what was opened.
func (d *daemon) close() error {
	var errs []error
	for _, f := range slices.Backward(d.closers) {
		errs = append(errs, f())
	}
	d.closers = nil
	return errors.Join(errs...)
}

// source returns what mount(8) and df show.
func source(c config.Config) string {
	if c.Store.Kind == config.StoreDir {
		return "mcfs#" + c.Store.Path
	}
	return "mcfs#" + strings.TrimSuffix(c.Store.Bucket+"/"+c.Store.Prefix, "/")
}

// defaultLog returns the log file of a mount in the background.
func defaultLog(c config.Config) string { return filepath.Join(c.Spool.Dir, "mcfs.log") }
