package status

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"mcfs/fs"
	"mcfs/internal/control"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
)

// answerTimeout is how long a daemon may take to say how it is.
const answerTimeout = 1500 * time.Millisecond

// askMounts asks each mount how it is, and lists them by mountpoint.
func askMounts(ctx context.Context, table map[string]fs.Mounted) []Report {
	places := slices.Sorted(maps.Keys(table))
	list := make([]Report, len(places))
	var wg sync.WaitGroup
	for i, at := range places {
		wg.Go(func() { list[i] = askMount(ctx, at, "", table[at]) })
	}
	wg.Wait()
	return list
}

// askMount returns a report also of a mount that cannot be asked: it says so.
func askMount(ctx context.Context, at, inside string, m fs.Mounted) Report {
	r, err := Ask(ctx, mounts.Daemon(at, m), inside)
	if err == nil {
		return r
	}
	r = Report{Mountpoint: at, Volume: strings.TrimPrefix(m.Source, "mcfs#"), State: Silent}
	if !errors.Is(err, errSlow) && deadSoon(at) {
		r.State = Dead
		r.Note = fmt.Sprintf("its daemon has ended: take it away with mcfs unmount %q, and mount it again; what is pending is in its spool", at)
		return r
	}
	r.Note = fmt.Sprintf("runs and does not answer (%s)", human.OneLine(err))
	return r
}

// deadSoon reports whether a mount has no daemon, or none any more in a moment: a killed
// one may still be about to end. It does not wait for a mount that hangs.
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

// errSlow is returned of a daemon that is there and says nothing.
var errSlow = fmt.Errorf("not within %v", answerTimeout)

// Ask asks one daemon how its mount is at and under a path of the volume.
func Ask(ctx context.Context, daemon control.Client, path string) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var r Report
	err := daemon.Status(ctx, path, &r)
	if ctx.Err() != nil && !errors.Is(err, control.ErrNoDaemon) {
		return Report{}, errSlow
	}
	return r, err
}
