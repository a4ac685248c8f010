package queue

import "strings"

// sequencer finds the jobs with colliding paths. The owner's lock guards it.
type sequencer struct {
	// byPath finds colliding jobs without a scan of all: 20,000 removals may wait at once.
	byPath map[string]jobs
	// under has, for every folder above a claimed path, the jobs below it.
	under map[string]jobs
}

type jobs map[*Job]struct{}

func newSequencer() sequencer {
	return sequencer{byPath: make(map[string]jobs), under: make(map[string]jobs)}
}

// Alone is the path to claim for a folder without what is in it, given with its slash: it collides
// with what happens to the folder as a whole, not with what happens in it.
func Alone(folder string) string { return folder + "\x00" } // no name has a zero byte

// claimLocked enters a job, and counts the earlier ones that it has to wait for.
func (s *sequencer) claimLocked(j *Job) {
	blockers := make(jobs)
	for _, p := range j.paths {
		s.addColliding(p, blockers)
	}
	for b := range blockers {
		b.blocked = append(b.blocked, j)
	}
	j.behind = len(blockers)
	for _, p := range j.paths {
		add(s.byPath, p, j)
		for dir := folderOf(p); dir != ""; dir = folderOf(dir) {
			add(s.under, dir, j)
		}
	}
}

// addColliding adds the jobs that a claim of p must wait for.
func (s *sequencer) addColliding(p string, to jobs) {
	addAll := func(set jobs) {
		for j := range set {
			to[j] = struct{}{}
		}
	}
	addAll(s.byPath[p])
	addAll(s.under[p])
	for dir := folderOf(p); dir != ""; dir = folderOf(dir) {
		addAll(s.byPath[dir])
	}
}

// releaseLocked takes a job out, and returns those that waited for nothing else.
func (s *sequencer) releaseLocked(j *Job) (free []*Job) {
	for _, p := range j.paths {
		drop(s.byPath, p, j)
		for dir := folderOf(p); dir != ""; dir = folderOf(dir) {
			drop(s.under, dir, j)
		}
	}
	for _, w := range j.blocked {
		if w.behind--; w.behind == 0 && !w.finished {
			free = append(free, w)
		}
	}
	j.blocked = nil
	return free
}

// busyLocked reports whether anything is claimed at or below the path.
func (s *sequencer) busyLocked(p string) bool { return len(s.byPath[p]) > 0 || len(s.under[p]) > 0 }

func add(m map[string]jobs, p string, j *Job) {
	if m[p] == nil {
		m[p] = make(jobs)
	}
	m[p][j] = struct{}{}
}

func drop(m map[string]jobs, p string, j *Job) {
	delete(m[p], j)
	if len(m[p]) == 0 {
		delete(m, p)
	}
}

// folderOf is the folder that a path is in, without a slash at its end: "a/b" gives "a"; "a" gives "".
func folderOf(p string) string {
	return p[:max(0, strings.LastIndexByte(p, '/'))]
}
