package torture

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// step is one system call, and what it means.
type step struct {
	verb  string
	text  string
	paths []string
	node  int
	call  func() error
	done  func()           // it returned 0: what is true and promised from now on
	maybe func()           // nobody knows: what may be true from now on
	names *names           // instead of maybe: names that are changed whole or not at all
	may   func(error) bool // in a small spool: it is refused so, and has changed nothing
}

// names is a rename or an exchange. Both names stay claimed until it has returned,
// so that what they lead to can be compared.
type names struct {
	from, to string
	a, b     *node // b may be nil
	exchange bool
	apply    func()
}

// player is one worker.
type player struct {
	w       *world
	id      int
	rng     *rand.Rand
	claims  []string
	busy    []*node
	handles []*handle
}

type handle struct {
	fd      int
	n       *node
	written bool // since its last flush
}

// do makes the call; false: it is over.
func (p *player) do(s *step) bool {
	w := p.w
	if w.killed.Load() {
		return false
	}
	w.aim.begins(w, s)
	err := s.call()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts.calls++
	switch {
	case err == nil:
		if s.done != nil {
			s.done()
		}
		w.note(p.id, s, nil)
		w.aim.returned(w, s)
		return true
	case w.killed.Load():
		s.text += " (under way at the kill)"
		w.note(p.id, s, err)
		w.pending = append(w.pending, s)
		return false
	}
	w.note(p.id, s, err)
	if w.small != nil && s.may != nil && s.may(err) {
		w.counts.refused++
		return false
	}
	if s.verb == "close" && errors.Is(err, syscall.EIO) { // the store is away: the spool has it (P4)
		s.done()
		return true
	}
	go w.strike()
	w.b.Errorf("%s: %v, and the mount was alive", s.text, err)
	return false
}

// promise wraps what a call that returned 0 means for n.
func (p *player) promise(n *node, at point) {
	n.promised(at)
	n.emptied = nil
	p.w.counts.promises++
}

// promiseName is what a rename means for n: what a close or an fsync had promised
// before stays promised where newer content was not, of which nobody knows the end.
func (p *player) promiseName(n *node, at point) {
	if n.saved && len(n.content.states) > 1 {
		n.sure = true
		p.w.counts.promises++
		return
	}
	p.promise(n, at)
}

func (p *player) full(rel string) string { return filepath.Join(p.w.mount.Dir, rel) }

// locked reads what a step is to be about.
func (p *player) locked(f func()) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	f()
}

func (p *player) nextNumber() (n int) {
	p.w.number++
	return p.w.number
}

// create makes a file under a claimed name.
func (p *player) create(in *node, name string, flags int, mode uint32) *handle {
	rel := path.Join(in.path(), name)
	var n *node
	appear := func() {
		n.attr = begun(attr{mode: mode})
		in.add(name, n)
	}
	p.locked(func() {
		n = &node{id: p.nextNumber(), kind: file, content: begun([]byte{}), busy: true}
		p.busy = append(p.busy, n)
	})
	h := &handle{n: n}
	ok := p.do(&step{
		verb: "create", text: fmt.Sprintf("create %s (node %d, flags %#x)", rel, n.id, flags), paths: []string{rel}, node: n.id,
		call: func() (err error) {
			h.fd, err = unix.Open(p.full(rel), flags|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, mode)
			return err
		},
		done: appear, maybe: appear,
	})
	if !ok {
		return nil
	}
	return h
}

// open opens a claimed file that is there.
func (p *player) open(n *node, flags int) *handle {
	h := &handle{n: n}
	var rel string
	p.locked(func() { rel = n.path() })
	trunc := func() {
		if flags&unix.O_TRUNC != 0 {
			if n.halved {
				n.halved, n.emptied = false, p.w.round
			}
			n.put([]byte{})
		}
	}
	ok := p.do(&step{
		verb: "open", text: fmt.Sprintf("open %s (node %d, flags %#x)", rel, n.id, flags), paths: []string{rel}, node: n.id,
		call: func() (err error) {
			h.fd, err = unix.Open(p.full(rel), flags|unix.O_CLOEXEC, 0)
			return err
		},
		done: trunc, maybe: trunc,
	})
	if !ok {
		return nil
	}
	return h
}

// pwrite leaves the file with the given content; [lo, hi) of it is written.
func (p *player) pwrite(h *handle, after []byte, lo, hi int) bool {
	k, before := hi-lo, []byte(nil)
	p.locked(func() { before = h.n.content.now() })
	put := func() {
		if k == hi-lo {
			h.n.put(after)
			return
		}
		h.n.halved = true
		part := make([]byte, max(len(before), lo+k)) // what the spool had room for
		copy(part, before)
		copy(part[lo:], after[lo:lo+k])
		h.n.put(part)
	}
	h.written = true
	ok := p.do(&step{
		verb: "write", text: fmt.Sprintf("write [%d, %d) of node %d: %s", lo, hi, h.n.id, brief(after[lo:hi])), node: h.n.id,
		call: func() error {
			n, err := unix.Pwrite(h.fd, after[lo:hi], int64(lo))
			switch {
			case err != nil:
				return err
			case n != hi-lo && p.w.small == nil:
				return fmt.Errorf("%d bytes of %d were written", n, hi-lo)
			}
			k = n
			return nil
		},
		done: put, maybe: put, may: p.mayNotFit(h.n),
	})
	return ok && k == hi-lo
}

// resize cuts a file, or makes it longer.
func (p *player) resize(h *handle, size int) bool {
	var after []byte
	p.locked(func() {
		after = make([]byte, size)
		copy(after, h.n.content.now())
	})
	put := func() { h.n.put(after) }
	h.written = true
	return p.do(&step{
		verb: "truncate", text: fmt.Sprintf("truncate node %d to %d", h.n.id, size), node: h.n.id,
		call: func() error { return unix.Ftruncate(h.fd, int64(size)) },
		done: put, maybe: put, may: p.mayNotFit(h.n),
	})
}

// fill writes a new file's content in some pieces.
func (p *player) fill(h *handle, size int) bool {
	var number int
	p.locked(func() { number = p.nextNumber() })
	text := written(number, size)
	pieces := 1 + p.rng.IntN(3)
	if size > 1<<20 {
		pieces = size>>20 + 1
	}
	for i := range pieces {
		lo, hi := size*i/pieces, size*(i+1)/pieces
		if lo < hi && !p.pwrite(h, text[:hi], lo, hi) {
			return false
		}
	}
	return true
}

// patch writes somewhere into the file, or behind its end.
func (p *player) patch(h *handle, at, size int) bool {
	var number int
	var before []byte
	p.locked(func() { number, before = p.nextNumber(), h.n.content.now() })
	after := make([]byte, max(len(before), at+size))
	copy(after, before)
	copy(after[at:], written(number, size))
	return p.pwrite(h, after, at, at+size)
}

// moment looks at the time that the file has, and notes what a call that is about
// to be made will promise.
func (p *player) moment(h *handle) (at point) {
	var st unix.Stat_t
	err := unix.Fstat(h.fd, &st)
	p.locked(func() {
		at = h.n.point()
		if err == nil {
			h.n.dated(st.Mtim.Nano())
		}
		p.w.mayHold(h.n.content.now())
	})
	return at
}

func (p *player) close(h *handle) bool {
	at := p.moment(h)
	return p.do(&step{
		verb: "close", text: fmt.Sprintf("close of node %d, written %v", h.n.id, h.written), node: h.n.id,
		call: func() error { return unix.Close(h.fd) },
		done: func() {
			if h.written { // else the commit follows a moment later, and nobody was told anything
				h.n.saved = true
				p.promise(h.n, at)
			}
		},
		may: p.mayClose(h.n),
	})
}

func (p *player) fsync(h *handle) bool {
	at := p.moment(h)
	return p.do(&step{
		verb: "fsync", text: fmt.Sprintf("fsync of node %d", h.n.id), node: h.n.id,
		call: func() error { return unix.Fsync(h.fd) },
		done: func() {
			h.n.saved = true
			p.promise(h.n, at)
		},
		may: p.mayLack(h.n),
	})
}

// look reads a claimed file whole.
func (p *player) look(n *node) bool {
	var rel string
	var want []byte
	p.locked(func() { rel, want = n.path(), n.content.now() })
	return p.do(&step{
		verb: "read", text: fmt.Sprintf("read %s (node %d)", rel, n.id), paths: []string{rel}, node: n.id,
		call: func() error {
			got, err := os.ReadFile(p.full(rel))
			if err == nil && !bytes.Equal(got, want) {
				err = fmt.Errorf("it holds %s, not %s", brief(got), brief(want))
			}
			return err
		},
		may: p.mayLack(n),
	})
}

// rename moves a claimed node to a claimed name, over what is there.
func (p *player) rename(n, to *node, name string, flags uint) bool {
	var s *step
	p.locked(func() {
		at, b := n.point(), to.kids[name]
		c := &names{from: n.path(), to: path.Join(to.path(), name), a: n, b: b}
		c.apply = func() {
			n.sure = true
			n.move(to, name)
		}
		p.w.mayHold(n.content.last())
		s = &step{
			verb: "rename", text: fmt.Sprintf("rename %s (node %d) to %s, flags %d", c.from, n.id, c.to, flags),
			paths: []string{c.from, c.to}, node: n.id, names: c,
			call: func() error {
				return unix.Renameat2(unix.AT_FDCWD, p.full(c.from), unix.AT_FDCWD, p.full(c.to), flags)
			},
			done: func() {
				c.apply()
				p.promiseName(n, at)
			},
			may: p.mayBeBusy(n),
		}
	})
	return p.do(s)
}

func (p *player) exchange(a, b *node) bool {
	var s *step
	p.locked(func() {
		atA, atB := a.point(), b.point()
		c := &names{from: a.path(), to: b.path(), a: a, b: b, exchange: true}
		c.apply = func() {
			a.sure, b.sure = true, true
			exchange(a, b)
		}
		p.w.mayHold(a.content.last())
		p.w.mayHold(b.content.last())
		s = &step{
			verb: "rename", text: fmt.Sprintf("exchange %s (node %d) with %s (node %d)", c.from, a.id, c.to, b.id),
			paths: []string{c.from, c.to}, node: a.id, names: c,
			call: func() error {
				return unix.Renameat2(unix.AT_FDCWD, p.full(c.from), unix.AT_FDCWD, p.full(c.to), unix.RENAME_EXCHANGE)
			},
			done: func() {
				c.apply()
				p.promiseName(a, atA)
				p.promiseName(b, atB)
			},
			may: p.mayBeBusy(a, b),
		}
	})
	return p.do(s)
}

// remove unlinks a claimed file or symlink, or removes an empty directory.
func (p *player) remove(n *node) bool {
	var rel string
	p.locked(func() { rel = n.path() })
	verb, call := "unlink", unix.Unlink
	if n.kind == dir {
		verb, call = "rmdir", unix.Rmdir
	}
	return p.do(&step{
		verb: verb, text: fmt.Sprintf("%s %s (node %d)", verb, rel, n.id), paths: []string{rel}, node: n.id,
		call: func() error { return call(p.full(rel)) },
		done: func() {
			n.remove()
			p.w.counts.promises++
		},
		maybe: func() { n.sure = false },
	})
}

// make makes a directory, or a symlink if it has a target, under a claimed name.
func (p *player) make(in *node, name, target string, mode uint32) bool {
	var n *node
	var rel string
	p.locked(func() {
		rel = path.Join(in.path(), name)
		n = &node{id: p.nextNumber(), kind: dir, kids: map[string]*node{}, target: target}
		n.attr, n.content = begun(attr{mode: mode}), begun[[]byte](nil)
		if target != "" {
			n.kind = link
		}
	})
	verb, call := "mkdir", func() error { return unix.Mkdir(p.full(rel), mode) }
	if target != "" {
		verb, call = "symlink", func() error { return unix.Symlink(target, p.full(rel)) }
	}
	return p.do(&step{
		verb: verb, text: fmt.Sprintf("%s %s (node %d)", verb, rel, n.id), paths: []string{rel}, node: n.id, call: call,
		done: func() {
			in.add(name, n)
			n.sure = true
			p.w.counts.promises++
		},
		maybe: func() { in.add(name, n) },
	})
}

// set changes an attribute of a claimed node.
func (p *player) set(n *node) bool {
	var rel string
	p.locked(func() { rel = n.path() })
	what := p.rng.IntN(3)
	if n.kind == dir {
		what = 0
	}
	mode, note := pick(p.rng, uint32(0o600), 0o640, 0o644, 0o755, 0o700), fmt.Sprint(p.rng.IntN(1000))
	when := unix.NsecToTimespec(int64(p.rng.IntN(1e9))*int64(time.Second) + int64(p.rng.IntN(1e9)))
	texts := []string{fmt.Sprintf("chmod %o", mode), fmt.Sprintf("utimens %d", when.Nano()), "note " + note}
	change := func() {
		a := n.attr.now()
		switch what {
		case 0:
			a.mode = mode
		case 1:
			a.mtime = when.Nano()
		case 2:
			a.note = note
		}
		n.attr.change(a)
	}
	return p.do(&step{
		verb: "attr", text: fmt.Sprintf("%s %s (node %d)", texts[what], rel, n.id), paths: []string{rel}, node: n.id,
		call: func() error {
			switch what {
			case 0:
				return unix.Chmod(p.full(rel), mode)
			case 1:
				return unix.UtimesNanoAt(unix.AT_FDCWD, p.full(rel), []unix.Timespec{when, when}, unix.AT_SYMLINK_NOFOLLOW)
			}
			return unix.Setxattr(p.full(rel), noteName, []byte(note), 0)
		},
		done: change, maybe: change,
	})
}

const noteName = "user.note"
