package queue

import (
	"strings"
	"sync"
	"time"
)

// Queue runs jobs on a bounded number of goroutines.
type Queue struct {
	owner sync.Locker
	seq   sequencer
	work  *workers
	again int64 // tries that followed a failed one; the owner's lock guards it
}

// New makes a queue that belongs to the owner of the lock. It runs nothing before Start, and
// then at most most functions at once.
func New(owner sync.Locker, most int) *Queue {
	return &Queue{owner: owner, seq: newSequencer(), work: newWorkers(most)}
}

// Start lets all that is queued run, and all that comes.
func (q *Queue) Start() { q.work.start() }

// Close drops what has not begun and waits for what has.
func (q *Queue) Close() { q.work.close() }

// Run runs f on a worker, in its turn among all that is to run now. It never blocks.
func (q *Queue) Run(f func()) { q.work.add(f) }

// RunAfter does so after a while, unless the timer is stopped.
func (q *Queue) RunAfter(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { q.work.add(f) })
}

// Job is work on some paths. It is queued until FinishLocked, over any number of tries.
type Job struct {
	paths   []string
	run     func()
	behind  int    // colliding earlier jobs that are not finished
	blocked []*Job // jobs that wait for this one
	timer   *time.Timer

	finished  bool
	begun     bool
	retracted bool // it is not to begin
	skipped   bool // its turn came while it was retracted
}

// AddLocked queues a job for the paths, each with all below it if it is a folder's (then it may
// end in "/"). In its turn run is called, on a worker and without the lock. A nil run does
// nothing: such a job only keeps others back.
func (q *Queue) AddLocked(run func(), paths ...string) *Job {
	j := &Job{run: run}
	for _, p := range paths {
		j.paths = append(j.paths, strings.TrimSuffix(p, "/"))
	}
	q.seq.claimLocked(j)
	if j.behind == 0 {
		q.try(j)
	}
	return j
}

// AgainLocked has a job that has begun run once more, after a while.
func (q *Queue) AgainLocked(j *Job, wait time.Duration) {
	if j.finished {
		return
	}
	q.again++
	if wait <= 0 {
		q.try(j)
		return
	}
	j.timer = time.AfterFunc(wait, func() { q.try(j) })
}

// RetriesLocked is how often a job was run once more.
func (q *Queue) RetriesLocked() int64 { return q.again }

// FinishLocked ends a job, and lets those go on that waited for it. A try that is under way is
// not interrupted; none follows.
func (q *Queue) FinishLocked(j *Job) {
	if j.finished {
		return
	}
	j.finished = true
	if j.timer != nil {
		j.timer.Stop()
	}
	for _, next := range q.seq.releaseLocked(j) {
		q.try(next)
	}
}

// try has a worker run the job.
func (q *Queue) try(j *Job) {
	if j.run == nil {
		return
	}
	q.work.add(func() {
		q.owner.Lock()
		begins := j.beginLocked()
		q.owner.Unlock()
		if begins {
			j.run()
		}
	})
}

// beginLocked reports whether the job is to run now.
func (j *Job) beginLocked() bool {
	switch {
	case j.finished:
		return false
	case j.retracted:
		j.skipped = true
		return false
	}
	j.begun = true
	return true
}

// BegunLocked reports whether the job has run, or runs.
func (j *Job) BegunLocked() bool { return j.begun }

// RetractLocked keeps a job from beginning, until ReinstateLocked. It reports false for one that
// has begun, or is retracted already.
func (j *Job) RetractLocked() bool {
	if j.begun || j.retracted {
		return false
	}
	j.retracted = true
	return true
}

// ReinstateLocked lets a retracted job begin after all.
func (q *Queue) ReinstateLocked(j *Job) {
	j.retracted = false
	if j.skipped {
		j.skipped = false
		q.try(j)
	}
}

// BusyLocked reports whether a job has a path at or below p.
func (q *Queue) BusyLocked(p string) bool { return q.seq.busyLocked(p) }

// WaitsLocked reports whether the job waits for others.
func (j *Job) WaitsLocked() bool { return j.behind > 0 }

// BlockedLocked are the jobs that wait for this one.
func (j *Job) BlockedLocked() []*Job { return j.blocked }

// KeepsBackLocked reports whether another job waits for this one, or for one that does.
func (j *Job) KeepsBackLocked(other *Job) bool {
	seen := make(jobs)
	for list := []*Job{j}; len(list) > 0; {
		last := list[len(list)-1]
		list = list[:len(list)-1]
		for _, next := range last.blocked {
			if _, known := seen[next]; known || next.finished {
				continue
			}
			if next == other {
				return true
			}
			seen[next] = struct{}{}
			list = append(list, next)
		}
	}
	return false
}
