package writers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Writer is a process that has a file open for writing, or must rename one that would else be lost.
type Writer struct {
	Path string // as it is now; "" where the file has no name
	By   string // the program and the id of its process; "" if that is not known
	Told string // the only path under which the file can be committed, which it has not got yet; "": it is open
}

func (w Writer) String() string {
	by, path := w.By, w.Path
	switch {
	case w.Told != "":
		by = "whoever is to rename it to " + w.Told
	case by == "":
		by = "a program"
	}
	if path == "" {
		path = "a file without a name"
	}
	return fmt.Sprintf("%s: %s", by, path)
}

// Sorted is the list by path, each once.
func Sorted(list []Writer) []Writer {
	slices.SortFunc(list, func(a, b Writer) int { return strings.Compare(a.String(), b.String()) })
	slices.SortStableFunc(list, func(a, b Writer) int { return strings.Compare(a.Path, b.Path) })
	return slices.Compact(list)
}

// Handles are those that can write. The zero Handles has none.
type Handles[H comparable] struct {
	mu      sync.Mutex
	open    map[H]struct{}
	changed chan struct{} // closed by the next Wake; nil: nobody waits
}

// Add notes a program's handle.
func (s *Handles[H]) Add(h H) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[H]struct{})
	}
	s.open[h] = struct{}{}
}

// Remove notes its end.
func (s *Handles[H]) Remove(h H) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, h)
	s.wakeLocked()
}

// Open lists them.
func (s *Handles[H]) Open() []H {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

// Wake has those look again who wait for writers.
func (s *Handles[H]) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeLocked()
}

func (s *Handles[H]) wakeLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// changes is closed by the next Wake or Remove.
func (s *Handles[H]) changes() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Await returns nil when the list is empty, or the list when stop is closed. tell, if there is
// one, is called with the list whenever that changes.
func (s *Handles[H]) Await(stop <-chan struct{}, list func() []Writer, tell func([]Writer)) []Writer {
	var told []Writer
	for {
		changed := s.changes()
		now := list()
		if len(now) == 0 {
			return nil
		}
		if tell != nil && !slices.Equal(now, told) {
			told = now
			tell(now)
		}
		select {
		case <-changed:
		case <-stop:
			return now
		}
	}
}
