package torture

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

// show reads everything that the mount has.
func (w *world) show() snapshot {
	s := snapshot{all: map[string]found{}, small: w.small}
	w.mount.Within(limit, "reading all", func() error {
		if err := s.walk(w.mount.Dir, ""); err != nil {
			return err
		}
		return s.read(w.mount.Dir)
	})
	return s
}

// walk looks at names and attributes.
func (s snapshot) walk(root, rel string) error {
	var st unix.Stat_t
	full := path.Join(root, rel)
	err := unix.Lstat(full, &st)
	if err == unix.ENOENT {
		return nil // what nobody was promised may go as soon as S3 says that it has not arrived
	}
	if err != nil {
		s.all[rel] = found{err: fmt.Errorf("lstat: %w", err)}
		return nil
	}
	f := found{kind: file, attr: attr{mode: st.Mode & 0o7777, mtime: st.Mtim.Nano()}}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		f.kind = dir
	case unix.S_IFLNK:
		f.kind = link
		f.target, f.err = os.Readlink(full)
	}
	s.all[rel] = f
	if f.kind != dir {
		return nil
	}
	entries, err := os.ReadDir(full)
	if err != nil {
		return fmt.Errorf("readdir %q: %w", rel, err)
	}
	regular := make(map[string]bool)
	for _, e := range entries {
		regular[e.Name()] = e.Type().IsRegular()
	}
	for _, e := range entries {
		if base, is := strings.CutSuffix(e.Name(), rig.SidecarSuffix); is && regular[base] {
			continue
		}
		if err := s.walk(root, path.Join(rel, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// read fills in content, several files at once.
func (s snapshot) read(root string) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	turn := make(chan struct{}, 4)
	for rel, f := range maps.Clone(s.all) {
		if f.kind != file {
			continue
		}
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			full := path.Join(root, rel)
			var st unix.Stat_t
			f.text, f.err = os.ReadFile(full)
			if f.err == nil {
				f.attr.note, f.err = noteOf(full)
			}
			if f.err == nil {
				f.err = unix.Lstat(full, &st)
			}
			f.size = st.Size
			mu.Lock()
			defer mu.Unlock()
			if s.all[rel] = f; errors.Is(f.err, os.ErrNotExist) {
				delete(s.all, rel)
			}
		})
	}
	wg.Wait()
	return nil
}

func noteOf(full string) (string, error) {
	value := make([]byte, 64)
	n, err := unix.Lgetxattr(full, noteName, value)
	if errors.Is(err, unix.ENODATA) {
		return "", nil
	}
	return string(value[:max(n, 0)]), err
}

// doubt takes up what was under way at the kill: it may have happened or not.
func (w *world) doubt() {
	for _, s := range w.pending {
		if s.maybe != nil {
			s.maybe()
		}
	}
}

// settleNames finds out which of the renames under way have happened.
func (w *world) settleNames(s snapshot) {
	for _, p := range w.pending {
		if p.names == nil {
			continue
		}
		c, ignored := p.names, 0
		was := s.both(c.from, c.a, c.to, c.b, &ignored)
		if was == nil {
			w.counts.not++
			continue
		}
		c.apply()
		a, b := c.b, c.a
		if !c.exchange {
			a = nil
		}
		if is := s.both(c.from, a, c.to, b, &ignored); is != nil {
			w.fail("neither before nor after a rename", &broken{is.path, c.a, fmt.Sprintf("%s: if it has not happened: %v; if it has: %v", p.text, was, is)})
		}
		w.counts.happened++
	}
	w.pending = nil
}

func (s snapshot) both(p string, a *node, q string, b *node, count *int) *broken {
	if err := s.compare(p, a, count); err != nil {
		return err
	}
	return s.compare(q, b, count)
}

// demand holds what the mount shows against what was promised.
func (w *world) demand(when string, s snapshot) {
	if err := s.compare("", w.root, &w.counts.compared); err != nil {
		w.fail(when, err)
	}
}

// alarms fails for what a daemon must not have said.
func (w *world) alarms(m *rig.Mount) {
	for line := range strings.Lines(m.Log()) {
		switch {
		case strings.Contains(line, "DATA RACE"), strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "):
		case strings.Contains(line, "level=ERROR") && !w.expected(line):
		default:
			continue
		}
		w.fail("the log", &broken{text: strings.TrimSpace(line)})
	}
}
