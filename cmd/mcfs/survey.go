package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"mcfs/fs"
	"mcfs/internal/control"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
	"mcfs/spool"
	"mcfs/volume"
)

// answerTimeout is how long a daemon has to say how it is.
const answerTimeout = 1500 * time.Millisecond

// The states of a report.
const (
	stateMounted   = "mounted"
	stateEnding    = "ending"      // it drains
	stateUnmounted = "not mounted" // what its spool holds is shown
	stateDead      = "dead"        // mounted, and its daemon has ended
	stateSilent    = "silent"      // its daemon does not answer
	stateInUse     = "in use"      // not mounted, but a daemon has the spool
)

// report is how one mount is, or one spool that is not mounted.
type report struct {
	Mountpoint string `json:"mountpoint,omitempty"`
	Volume     string `json:"volume,omitempty"`
	Config     string `json:"config,omitempty"`
	Spool      string `json:"spool,omitempty"`
	State      string `json:"state"`
	Note       string `json:"note,omitempty"`
	*volume.Status
}

// survey finds the mounts, and asks each how it is.
type survey struct {
	path   string // empty: all
	config string // file of the one that is asked for; empty: all, and what the one that applies has not mounted
}

// reports may come with an error: something could not be told.
func (s survey) reports(ctx context.Context) ([]report, error) {
	table := fs.Mounts()
	if s.path == "" {
		return s.all(ctx, table)
	}
	at, inside, mounted, err := mounts.Locate(s.path, table)
	if err != nil {
		return nil, err
	}
	if mounted {
		return []report{askMount(ctx, at, inside, table[at])}, nil
	}
	if _, err := os.Lstat(s.path); errors.Is(err, iofs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist", s.path)
	}
	if r, err := askStatus(ctx, at, []int{os.Geteuid()}, ""); err == nil { // unmounted by others, and draining
		return []report{r}, nil
	}
	r, err := s.configured()
	if err != nil {
		return nil, fmt.Errorf("%s is not in a mount of mcfs, and what it might be is not configured: %w", s.path, err)
	}
	r.Note = strings.TrimSuffix(fmt.Sprintf("%s is not in a mount of mcfs; this is what the configuration says; %s", s.path, r.Note), "; ")
	return []report{r}, nil
}

// all are the user's mounts, by mountpoint, and then what is not mounted.
func (s survey) all(ctx context.Context, table map[string]fs.Mounted) ([]report, error) {
	maps.DeleteFunc(table, func(_ string, m fs.Mounted) bool { return os.Geteuid() != 0 && m.UID != os.Geteuid() })
	if s.config != "" {
		return s.named(ctx, table)
	}
	list := askMounts(ctx, table)
	r, err := s.configured()
	if err != nil {
		return list, fmt.Errorf("what is not mounted is not shown: %w", err)
	}
	return s.withUnmounted(list, r), nil
}

// named is the mount of the configuration that was asked for, or what its spool holds.
func (s survey) named(ctx context.Context, table map[string]fs.Mounted) ([]report, error) {
	r, err := s.configured()
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(askMounts(ctx, table), func(m report) bool {
		if m.Spool == "" { // it does not answer
			return m.Volume != r.Volume
		}
		return mounts.Real(m.Spool) != mounts.Real(r.Spool)
	})
	alive := slices.ContainsFunc(list, func(m report) bool { return m.State != stateDead })
	if !alive {
		list = append(list, r)
	}
	return list, nil
}

// askMounts asks each mount how it is, and lists them by mountpoint.
func askMounts(ctx context.Context, table map[string]fs.Mounted) []report {
	places := slices.Sorted(maps.Keys(table))
	list := make([]report, len(places))
	var wg sync.WaitGroup
	for i, at := range places {
		wg.Go(func() { list[i] = askMount(ctx, at, "", table[at]) })
	}
	wg.Wait()
	return list
}

// withUnmounted adds what is configured, and the other spools beside its own in
// which something waits, unless one of the mounts is that.
func (s survey) withUnmounted(list []report, r report) []report {
	open, hidden := make(map[string]bool), false
	for _, m := range list {
		open[mounts.Real(m.Spool)] = m.Spool != ""
		hidden = hidden || m.State == stateSilent // it does not say which spool it has
	}
	if !open[mounts.Real(r.Spool)] && !(hidden && r.State == stateInUse) {
		list = append(list, r)
		open[mounts.Real(r.Spool)] = true
	}
	beside, _ := filepath.Glob(filepath.Join(filepath.Dir(r.Spool), "*", "lock"))
	for _, lock := range beside {
		dir := filepath.Dir(lock)
		if _, err := spool.ParseID(filepath.Base(dir)); err != nil || open[mounts.Real(dir)] {
			continue // not a volume's, or shown already
		}
		if r := unmounted(dir); r.Status != nil && (len(r.Drafts)+len(r.Changes)+len(r.Quarantine) > 0) {
			list = append(list, r)
		}
	}
	return list
}

// configured is what the spool of the configuration holds, if nobody has mounted it.
func (s survey) configured() (report, error) {
	c, err := loadConfig(s.config)
	if err != nil {
		return report{}, err
	}
	r := unmounted(c.Spool.Dir)
	r.Volume, r.Config = volumeName(c), c.Source
	if r.Status != nil {
		r.Cache.Limit = int64(c.Spool.MaxSize)
	}
	return r, nil
}

// unmounted is what a spool holds.
func unmounted(dir string) report {
	r := report{Spool: dir, State: stateUnmounted}
	s, err := volume.Waiting(dir)
	switch {
	case errors.Is(err, spool.ErrLocked):
		r.State, r.Note = stateInUse, "a daemon has this spool: its mount is ending or hidden from here"
		return r
	case errors.Is(err, iofs.ErrNotExist):
		r.Note = "it has no spool yet"
		return r
	case err != nil:
		r.Note = fmt.Sprintf("its spool cannot be read (%s): the next mount will say more", human.OneLine(err))
		return r
	}
	if len(s.Drafts)+len(s.Changes) > 0 {
		r.Note = "mount it, and what is pending goes on"
	}
	r.Status = &s
	return r
}

// askMount never fails: what it cannot ask it says.
func askMount(ctx context.Context, at, inside string, m fs.Mounted) report {
	r, err := askStatus(ctx, at, mounts.Users(m), inside)
	if err == nil {
		return r
	}
	r = report{Mountpoint: at, Volume: strings.TrimPrefix(m.Source, "mcfs#"), State: stateSilent}
	if !errors.Is(err, errSlow) && deadSoon(at) {
		r.State = stateDead
		r.Note = fmt.Sprintf("its daemon has ended: take it away with mcfs unmount %q, and mount it again; what is pending is in its spool", at)
		return r
	}
	r.Note = fmt.Sprintf("runs and does not answer (%s)", human.OneLine(err))
	return r
}

// deadSoon is dead for a mount that may hang, or whose daemon is about to be gone.
func deadSoon(at string) bool {
	const patience = answerTimeout / 5
	result := make(chan bool, 1)
	go func() { // ends with the process, if the mount hangs
		is := mounts.Dead(at)
		for begun := time.Now(); !is && time.Since(begun) < patience; is = mounts.Dead(at) {
			time.Sleep(patience / 20)
		}
		result <- is
	}()
	select {
	case is := <-result:
		return is
	case <-time.After(2 * patience):
		return false
	}
}

// errSlow: the daemon is there, and says nothing.
var errSlow = fmt.Errorf("not within %v", answerTimeout)

// askStatus asks one daemon.
func askStatus(ctx context.Context, at string, uids []int, inside string) (report, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var r report
	err := control.Client{Mountpoint: at, Users: uids}.Status(ctx, inside, &r)
	if ctx.Err() != nil && !errors.Is(err, control.ErrNoDaemon) {
		return report{}, errSlow
	}
	return r, err
}

// where names a report.
func (r report) where() string { return cmp.Or(r.Mountpoint, r.Volume, "spool "+r.Spool) }
