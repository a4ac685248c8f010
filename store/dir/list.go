package dir

import (
	"container/heap"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mcfs/store"
)

// List gives one page. Its memory grows with the page's size and the depth of
// the tree, not with the number of objects; each page reads the directories
// that it passes through again.
func (s *Store) List(ctx context.Context, prefix, delimiter, token string, limit int) (store.Page, error) {
	if err := store.Ended(ctx); err != nil {
		return store.Page{}, fmt.Errorf("list %s: %w", prefix, err)
	}
	if delimiter != "" && delimiter != "/" {
		return store.Page{}, fmt.Errorf("list %s: delimiter %q is not \"/\"", prefix, delimiter)
	}
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return store.Page{}, fmt.Errorf("list %s: token %q is none of this store", prefix, token)
	}
	if limit <= 0 || limit > store.MaxPage {
		limit = store.MaxPage
	}
	if _, err := os.Lstat(s.hidden()); err != nil {
		return store.Page{}, failure("list", prefix, s.lost(err))
	}
	l := &lister{ctx: ctx, s: s, prefix: prefix, fold: delimiter == "/", after: string(after), limit: limit}
	start := prefix[:strings.LastIndex(prefix, "/")+1] // all keys with the prefix are below this directory
	err = l.enter(start)
	if err != nil && !errors.Is(err, errPageFull) {
		return store.Page{}, failure("list", prefix, err)
	}
	if err != nil {
		l.page.Next = base64.RawURLEncoding.EncodeToString([]byte(l.last))
	}
	return l.page, nil
}

// errPageFull ends a walk when there is more than the page holds.
var errPageFull = errors.New("page is full")

// lister walks the tree in the order of keys, and fills one page.
type lister struct {
	ctx    context.Context
	s      *Store
	prefix string
	fold   bool
	after  string // the last key or prefix of the page before; "" at the start
	limit  int
	page   store.Page
	last   string // the last key or prefix of this page
}

// enter walks the directory of the keys that begin with dir ("" or ending in "/").
func (l *lister) enter(dir string) error {
	place := l.s.root
	if dir != "" {
		rel, err := path(strings.TrimSuffix(dir, "/"))
		if err != nil {
			return nil // no file can have such a name
		}
		place = filepath.Join(place, rel)
	}
	return l.walk(place, dir)
}

func (l *lister) walk(place, dir string) error {
	from := ""
	for {
		room := l.limit - len(l.page.Objects) - len(l.page.Prefixes)
		entries, err := l.smallest(place, dir, from, room+1)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := l.visit(place, dir, e); err != nil {
				return err
			}
			from = e.key
		}
		if len(entries) <= room { // the directory has no more
			return nil
		}
	}
}

// entry is an object's file or a directory.
type entry struct {
	key  string // relative to the directory; a directory's ends in "/"
	name string // of the file
}

func (e entry) isDir() bool { return strings.HasSuffix(e.name, "/") }

func (l *lister) visit(place, dir string, e entry) error {
	if err := store.Ended(l.ctx); err != nil {
		return err
	}
	key, path := dir+e.key, filepath.Join(place, e.name)
	switch {
	case !e.isDir():
		o, err := l.s.find(key)
		if errors.Is(err, store.ErrNotExist) {
			return nil // deleted meanwhile
		}
		if errors.Is(err, errDamaged) { // reading it says so; a listing goes on
			o.meta, err = foreign(key, o.fi), nil
		}
		if err != nil {
			return err
		}
		return l.add(key, func() {
			i := info(key, o.fi, o.meta)
			i.ContentType, i.Metadata = "", nil
			l.page.Objects = append(l.page.Objects, i)
		})
	case l.fold && strings.HasPrefix(key, l.prefix):
		any, err := l.anyObject(path)
		if err != nil || !any {
			return err
		}
		return l.add(key, func() { l.page.Prefixes = append(l.page.Prefixes, key) })
	}
	return l.walk(path, key)
}

func (l *lister) add(key string, take func()) error {
	if len(l.page.Objects)+len(l.page.Prefixes) == l.limit {
		return errPageFull
	}
	take()
	l.last = key
	return nil
}

// wanted says whether a key, or anything in a directory, belongs to the page
// or one after it.
func (l *lister) wanted(key string, isDir bool) bool {
	switch {
	case isDir && !l.fold:
		if key <= l.after && !strings.HasPrefix(l.after, key) {
			return false
		}
		return strings.HasPrefix(key, l.prefix) || strings.HasPrefix(l.prefix, key)
	case key <= l.after && l.after != "":
		return false
	}
	return strings.HasPrefix(key, l.prefix)
}

// smallest gives the n first entries of a directory behind from, in order.
// One that is not there is empty.
func (l *lister) smallest(place, dir, from string, n int) ([]entry, error) {
	d, err := os.Open(place)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var kept entryHeap
	for {
		batch, err := d.ReadDir(1024)
		for _, de := range batch {
			e, ok := decode(de, place == l.s.root)
			if !ok || e.key <= from && from != "" || !l.wanted(dir+e.key, e.isDir()) {
				continue
			}
			if heap.Push(&kept, e); kept.Len() > n {
				heap.Pop(&kept)
			}
		}
		if errors.Is(err, io.EOF) || absent(err) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	sorted := make([]entry, kept.Len())
	for i := len(sorted) - 1; i >= 0; i-- {
		sorted[i] = heap.Pop(&kept).(entry)
	}
	return sorted, nil
}

// decode tells what a directory's entry stands for, if for anything.
func decode(de fs.DirEntry, root bool) (entry, bool) {
	name := de.Name()
	switch {
	case de.IsDir():
		element, err := unescape(name, root)
		return entry{element + "/", name + "/"}, err == nil
	case de.Type().IsRegular():
		element, err := unescape(strings.TrimSuffix(name, besideDir), root)
		return entry{element, name}, err == nil
	}
	return entry{}, false
}

// anyObject says whether there is an object below a directory: an empty one
// that somebody made is no prefix.
func (l *lister) anyObject(place string) (bool, error) {
	d, err := os.Open(place)
	if absent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer d.Close()
	var below []string
	for {
		batch, err := d.ReadDir(64)
		for _, de := range batch {
			e, ok := decode(de, false)
			if ok && !e.isDir() {
				return true, nil
			}
			if ok {
				below = append(below, e.name)
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !absent(err) {
				return false, err
			}
			break
		}
	}
	for _, name := range below {
		if any, err := l.anyObject(filepath.Join(place, name)); any || err != nil {
			return any, err
		}
	}
	return false, nil
}

// entryHeap has its greatest entry on top.
type entryHeap []entry

func (h entryHeap) Len() int           { return len(h) }
func (h entryHeap) Less(i, j int) bool { return h[i].key > h[j].key }
func (h entryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *entryHeap) Push(x any)        { *h = append(*h, x.(entry)) }
func (h *entryHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
