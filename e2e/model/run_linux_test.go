package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// steps counts what has been done, for the report.
var steps atomic.Int64

// worldly are the steps that happen to the mount between system calls.
var worldly = map[string]func(*run) error{
	"compare": func(r *run) error { return r.compareAll(false) },
	"evict":   func(r *run) error { return r.compareAll(true) },
	"drop":    (*run).drop,
	"settle":  (*run).settle,
	"remount": (*run).remount,
	"kill":    (*run).kill,
	"fresh":   (*run).fresh,
}

// run is one sequence of steps, in a directory of its own on either side.
type run struct {
	w      *world
	dir    string
	c      *comparer
	script []op
	kept   int
	halved map[uint64]bool // in a small spool: the disk's inode numbers of files that could not be written whole
}

func newRun(w *world) *run {
	unix.Umask(0)
	w.runs++
	r := &run{w: w, dir: fmt.Sprintf("run%d", w.runs)}
	disk := w.disk + "/" + r.dir
	r.c = &comparer{disk: &side{root: disk}, mount: &side{root: w.mountRoot(r.dir)}, seen: make(map[uint64]stamps), small: w.small}
	r.halved = make(map[uint64]bool)
	if err := os.Mkdir(disk, 0o755); err != nil {
		panic(err)
	}
	w.within("mkdir", func() {
		if err := os.Mkdir(r.c.mount.root, 0o755); err != nil {
			panic(trouble{err.Error()})
		}
	})
	return r
}

// step does one step on both sides and compares. A rig that gives up panics with trouble.
func (r *run) step(o op) (err error) {
	defer recoverTrouble(&err)
	r.script = append(r.script, o)
	steps.Add(1)
	if f, ok := worldly[o.Verb]; ok {
		return f(r)
	}
	var mount result
	r.w.within(o.String(), func() { mount = verbs[o.Verb](r.c.mount, o) })
	if r.w.small {
		whole, left := r.refused(o, mount)
		if left == nil {
			return nil
		}
		if o = *left; !whole {
			mount.errno = 0
		}
	}
	idleTime := r.c.changesNothing(o)
	disk := verbs[o.Verb](r.c.disk, o)
	if err := results(o, disk, mount); err != nil {
		return err
	}
	if err := r.watched("lstat", idleTime); err != nil {
		return err
	}
	if disk.n == idle.n && disk.errno == 0 {
		return nil
	}
	return r.watched("comparison", func() error { return r.lookAfter(o) })
}

func recoverTrouble(err *error) {
	switch p := recover().(type) {
	case nil:
	case trouble:
		*err = p
	default:
		panic(p)
	}
}

// watched runs what touches the mount under the watchdog.
func (r *run) watched(what string, f func() error) (err error) {
	r.w.within(what, func() { err = f() })
	return err
}

// lookAfter compares what the step has to do with; every few steps, all names and attributes.
func (r *run) lookAfter(o op) error {
	if len(r.script)%8 == 0 {
		return r.c.attributes()
	}
	for _, p := range []string{o.Path, o.To} {
		if p == "" || o.Verb == "symlink" && p == o.To {
			continue
		}
		if err := r.c.lstat(p); err != nil {
			return err
		}
	}
	for _, i := range []int{o.H, o.H2} {
		if err := r.c.handle(i); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) compareAll(cold bool) error {
	return r.watched("comparison", func() error {
		if err := r.c.attributes(); err != nil {
			return err
		}
		return r.c.contents(cold)
	})
}

func (r *run) drop() error {
	return r.watched("dropping names", r.w.forgetNames)
}

// closeAll closes every handle on both sides.
func (r *run) closeAll() error {
	for i := range slots {
		o := op{Verb: "close", H: i}
		var mount result
		r.w.within("close", func() { mount = verbs["close"](r.c.mount, o) })
		if r.w.small && mount.errno != 0 && r.mayNotClose(o, mount) {
			mount.errno = 0
		}
		if err := results(o, verbs["close"](r.c.disk, o), mount); err != nil {
			return err
		}
	}
	return r.commitHalved()
}

// localOnly says that a file of that name may stay in the spool.
func localOnly(p string) bool {
	return slices.ContainsFunc(strings.Split(p, "/"), localOnlyName)
}

func localOnlyName(name string) bool {
	return strings.HasSuffix(name, "~") || strings.HasSuffix(name, "-journal") ||
		strings.HasPrefix(name, ".") && (strings.HasSuffix(name, ".swp") || len(name) > 7 && name[len(name)-7] == '.')
}

// settle closes all handles and waits until S3 has all that it must have.
func (r *run) settle() error {
	if err := r.closeAll(); err != nil {
		return err
	}
	return r.settled()
}

func (r *run) settled() error {
	if err := r.commitHalved(); err != nil {
		return err
	}
	files, bare, optional, err := r.expected()
	if err != nil {
		return err
	}
	return r.w.settle(r.dir, files, bare, optional)
}

// expected are the keys that S3 must have, and those that it may have.
func (r *run) expected() (files, bare, optional []string, err error) {
	paths, err := r.c.tree()
	for _, p := range paths {
		info, err := os.Lstat(r.c.disk.path(p))
		switch {
		case err != nil:
			return nil, nil, nil, err
		case localOnly(p) && info.IsDir():
			optional = append(optional, p+"/")
		case localOnly(p):
			optional = append(optional, p)
		case info.IsDir():
			bare = append(bare, p+"/")
		case info.Mode().IsRegular():
			files = append(files, p)
		default:
			bare = append(bare, p)
		}
	}
	return files, bare, optional, err
}

// moved has both sides know that the mount is a new one.
func (r *run) moved(err error) error {
	if err != nil {
		return err
	}
	r.c.mount.root = r.w.mountRoot(r.dir)
	return r.compareAll(false)
}

func (r *run) remount() error {
	if err := r.closeAll(); err != nil {
		return err
	}
	return r.moved(r.w.remount())
}

// kill makes a promise of all there is (P5), and then has the mount keep it: each
// handle is closed, and each file synced, since truncate(2) promises nothing.
func (r *run) kill() error {
	if err := r.closeAll(); err != nil {
		return err
	}
	paths, err := r.c.tree()
	if err != nil {
		return err
	}
	err = r.watched("fsync of all", func() error {
		for _, p := range paths {
			if info, err := os.Lstat(r.c.disk.path(p)); err != nil || !info.Mode().IsRegular() {
				continue
			}
			if err := syncPath(r.c.mount.path(p)); err != nil {
				return fmt.Errorf("fsync %s: %w", p, err)
			}
		}
		return syncPath(r.c.mount.root)
	})
	if err != nil {
		return err
	}
	if err := r.w.released(); err != nil {
		return err
	}
	return r.moved(r.w.kill())
}

func syncPath(p string) error {
	fd, err := unix.Open(p, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fsync(fd)
}

// fresh gives local-only files other names, so that all is in S3, and has a new
// spool start from there.
func (r *run) fresh() error {
	if err := r.closeAll(); err != nil {
		return err
	}
	if err := r.publishLocal(); err != nil {
		return err
	}
	if err := r.settled(); err != nil {
		return err
	}
	return r.moved(r.w.fresh())
}

func (r *run) publishLocal() error {
	paths, err := r.c.tree()
	if err != nil {
		return err
	}
	for _, p := range slices.Backward(paths) { // what is in a local-only directory before it
		if !localOnly(p) {
			continue
		}
		r.kept++
		o := op{Verb: "rename", Path: p, To: fmt.Sprintf("kept%d", r.kept)}
		var mount result
		r.w.within(o.String(), func() { mount = rename(r.c.mount, o) })
		if err := results(o, rename(r.c.disk, o), mount); err != nil {
			return err
		}
	}
	return nil
}

// end has everything come from S3 once more, and S3 prove itself; then it clears both sides.
func (r *run) end() (err error) {
	defer recoverTrouble(&err)
	if err := r.compareAll(true); err != nil {
		return err
	}
	if err := r.fresh(); err != nil {
		return fmt.Errorf("at the end, mounted with a fresh spool: %w", err)
	}
	if err := r.proof(); err != nil {
		return err
	}
	err = r.watched("removal", func() error { return os.RemoveAll(r.c.mount.root) })
	if err != nil {
		return fmt.Errorf("removal of everything: %w", err)
	}
	return os.RemoveAll(r.c.disk.root)
}

// proof compares S3, read by no code of the mount's, with the disk.
func (r *run) proof() error {
	sums, err := r.w.proof(r.dir)
	if err != nil {
		return err
	}
	files, _, _, err := r.expected()
	if err != nil {
		return err
	}
	for _, p := range files {
		text, err := readAll(r.c.disk.path(p), false)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		if got, want := sums[p], hex.EncodeToString(sum[:]); got != want {
			return fmt.Errorf("S3's %s decrypts to %s, the disk has %s", p, got, want)
		}
		delete(sums, p)
	}
	for p := range sums {
		return fmt.Errorf("S3 has %s besides", p)
	}
	return nil
}

// free and used are the slots without and with a handle.
func (r *run) free() []int { return r.slotsThat(func(h *handle) bool { return h == nil }) }
func (r *run) used() []int { return r.slotsThat(func(h *handle) bool { return h != nil }) }

func (r *run) slotsThat(is func(*handle) bool) []int {
	var all []int
	for i, h := range r.c.disk.open {
		if is(h) {
			all = append(all, i)
		}
	}
	return slices.Clip(all)
}
