package web

import (
	"slices"
	"strings"
	"sync"
	"time"

	"mcfs/internal/feed"
)

const (
	mostFiles = 200 // that are remembered of a mount
	mostCures = 500
	mostJobs  = 100
)

// recent is what has happened in a mount of late, the last at the end.
type recent struct {
	mu    sync.Mutex
	files []savedFile
	cures []cure
	jobs  []job
	gone  bool // nobody tells it any more
}

// savedFile is one whose version is in the store.
type savedFile struct {
	path string
	size int64
	at   time.Time
}

// cure is what helps against a failure.
type cure struct{ path, text string }

// job is one that a hot folder has made.
type job struct {
	id, path, what, status string
	at                     time.Time
	cause, cure            string
	outputs                []string
}

// take notes an event.
func (r *recent) take(l feed.Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case l.IsCommit():
		r.forget(l.Path, false)
		if l.Size != nil && l.Sidecar != "" {
			r.files = keep(r.files, savedFile{l.Path, *l.Size, l.Time}, mostFiles)
		}
	case l.IsRename():
		r.rename(l)
	case l.IsRemove():
		r.forget(l.Path, l.Dir)
	case l.IsFailure() && l.Failure != nil:
		r.cures = slices.DeleteFunc(r.cures, func(c cure) bool { return c.path == l.Path })
		if l.Failure.Cure != "" {
			r.cures = keep(r.cures, cure{l.Path, l.Failure.Cure}, mostCures)
		}
	case l.IsJob():
		r.takeJob(l)
	}
}

// forget takes away what is known of a path, and of what is below it.
func (r *recent) forget(path string, dir bool) {
	is := func(at string) bool { return at == path || dir && strings.HasPrefix(at, path+"/") }
	r.files = slices.DeleteFunc(r.files, func(f savedFile) bool { return is(f.path) })
	r.cures = slices.DeleteFunc(r.cures, func(c cure) bool { return is(c.path) })
}

// rename gives files another name. What bore that before is gone.
func (r *recent) rename(l feed.Line) {
	var moved []savedFile
	for _, f := range r.files {
		if below, is := strings.CutPrefix(f.path, l.Path); is && (below == "" || l.Dir && below[0] == '/') {
			f.path = l.To + below
			moved = append(moved, f)
		}
	}
	r.forget(l.Path, l.Dir)
	r.forget(l.To, l.Dir)
	for _, f := range moved {
		r.files = keep(r.files, f, mostFiles)
	}
}

func (r *recent) takeJob(l feed.Line) {
	j := job{id: l.Job, path: l.Path, what: l.What, status: l.Status, at: l.Time, outputs: l.Outputs}
	if l.Failure != nil {
		j.cause, j.cure = l.Failure.Message, l.Failure.Cure
	}
	r.jobs = slices.DeleteFunc(r.jobs, func(o job) bool { return o.id == j.id && (j.id != "" || o.path == j.path) })
	r.jobs = keep(r.jobs, j, mostJobs)
}

// keep adds one to a list, of which the last few are kept.
func keep[T any](list []T, one T, most int) []T {
	if list = append(list, one); len(list) > most {
		list = slices.Delete(list, 0, len(list)-most)
	}
	return list
}

// cureOf is what helps with a file; "": nothing is known.
func (r *recent) cureOf(path string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.cures {
		if c.path == path {
			return c.text
		}
	}
	return ""
}

// latest copies what is remembered, the last first.
func (r *recent) latest() (files []savedFile, jobs []job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	files, jobs = slices.Clone(r.files), slices.Clone(r.jobs)
	slices.Reverse(files)
	slices.Reverse(jobs)
	return files, jobs
}

// recently is what has happened in a mount, which is followed from now on; s.mu is held.
func (s *Server) recently(mountpoint string) *recent {
	r := s.recent[mountpoint]
	if r != nil && !r.isGone() || s.ctx.Err() != nil {
		return r
	}
	r = new(recent)
	s.recent[mountpoint] = r
	s.follow.Go(func() { // ends by Close, or with the mount
		_ = s.source.Follow(s.ctx, mountpoint, r.take) // it is followed anew as long as it is there
		r.mu.Lock()
		defer r.mu.Unlock()
		r.gone = true
	})
	return r
}

func (r *recent) isGone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone
}
