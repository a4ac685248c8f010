package status

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mcfs/config"
	"mcfs/fs"
	"mcfs/internal/control"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
	"mcfs/spool"
	"mcfs/volume"
)

// Survey is a question: which mounts, and what in them.
type Survey struct {
	Path  string // at and under which is shown; "": all mounts of this user, for root of all
	Named bool   // shown is the mount of the configuration alone; without Path
	// Load reads the configuration: the one that was named, or the one that applies. What
	// it says and is not mounted is shown from its spool.
	Load func() (config.Config, error)
}

// Reports asks each mount how it is. It may return reports and an error: of what could
// not be told.
func (s Survey) Reports(ctx context.Context) ([]Report, error) {
	table := fs.Mounts()
	if s.Path == "" {
		return s.all(ctx, table)
	}
	at, inside, mounted, err := mounts.Locate(s.Path, table)
	if err != nil {
		return nil, err
	}
	if mounted {
		return []Report{askMount(ctx, at, inside, table[at])}, nil
	}
	if _, err := os.Lstat(s.Path); errors.Is(err, iofs.ErrNotExist) {
		return nil, known{s.Path + " does not exist", iofs.ErrNotExist}
	}
	if r, err := Ask(ctx, control.Client{Mountpoint: at, Users: []int{os.Geteuid()}}, ""); err == nil { // unmounted by others, and draining
		return []Report{r}, nil
	}
	r, err := s.configured()
	if err != nil {
		return nil, fmt.Errorf("%s is not in a mount of mcfs, and what it might be is not configured: %w", s.Path, err)
	}
	r.Note = strings.TrimSuffix(fmt.Sprintf("%s is not in a mount of mcfs; this is what the configuration says; %s", s.Path, r.Note), "; ")
	return []Report{r}, nil
}

// all returns the user's mounts, by mountpoint, and then what is not mounted.
func (s Survey) all(ctx context.Context, table map[string]fs.Mounted) ([]Report, error) {
	maps.DeleteFunc(table, func(_ string, m fs.Mounted) bool { return os.Geteuid() != 0 && m.UID != os.Geteuid() })
	if s.Named {
		return s.named(ctx, table)
	}
	list := askMounts(ctx, table)
	r, err := s.configured()
	if err != nil {
		return list, fmt.Errorf("what is not mounted is not shown: %w", err)
	}
	return s.withUnmounted(list, r), nil
}

// named returns the mount of the configuration that was asked for, or what its spool holds.
func (s Survey) named(ctx context.Context, table map[string]fs.Mounted) ([]Report, error) {
	r, err := s.configured()
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(askMounts(ctx, table), func(m Report) bool {
		if m.Spool == "" { // it does not answer
			return m.Volume != r.Volume
		}
		return mounts.Real(m.Spool) != mounts.Real(r.Spool)
	})
	alive := slices.ContainsFunc(list, func(m Report) bool { return m.State != Dead })
	if !alive {
		list = append(list, r)
	}
	return list, nil
}

// withUnmounted adds what is configured, and the other spools beside its own in
// which something waits, unless one of the mounts is that.
func (s Survey) withUnmounted(list []Report, r Report) []Report {
	open, hidden := make(map[string]bool), false
	for _, m := range list {
		open[mounts.Real(m.Spool)] = m.Spool != ""
		hidden = hidden || m.State == Silent // it does not say which spool it has
	}
	if !open[mounts.Real(r.Spool)] && !(hidden && r.State == InUse) {
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

// configured returns what the spool of the configuration holds, if nobody has mounted it.
func (s Survey) configured() (Report, error) {
	c, err := s.Load()
	if err != nil {
		return Report{}, err
	}
	r := unmounted(c.Spool.Dir)
	r.Volume, r.Config = VolumeName(c), c.Source
	if r.Status != nil {
		r.Cache.Limit = int64(c.Spool.MaxSize)
	}
	return r, nil
}

// unmounted returns what a spool holds that nobody has mounted.
func unmounted(dir string) Report {
	r := Report{Spool: dir, State: Unmounted}
	s, err := volume.Waiting(dir)
	switch {
	case errors.Is(err, spool.ErrLocked):
		r.State, r.Note = InUse, "a daemon has this spool: its mount is ending or hidden from here"
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
