package torture

import (
	"fmt"
	"math/rand/v2"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	workers   = 4
	maxFiles  = 40
	maxDirs   = 8
	maxOpen   = 3 // handles that a worker leaves open
	maxWrite  = 400_000
	largeSize = 11 << 20 // more than two parts
)

// localOnly says that what is under that path stays in the spool.
func localOnly(p string) bool {
	for name := range strings.SplitSeq(p, "/") {
		if strings.HasSuffix(name, "~") || strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".swp") {
			return true
		}
	}
	return false
}

// work makes calls until the kill.
func (p *player) work() {
	for !p.w.killed.Load() {
		p.w.mu.Lock()
		act := p.draw()
		p.w.mu.Unlock()
		if act != nil {
			act()
		}
		p.w.mu.Lock()
		p.w.release(p.claims)
		for _, n := range p.busy {
			n.busy = false
		}
		p.claims, p.busy = nil, nil
		p.w.mu.Unlock()
	}
}

// closeAll lets go of what is open in a mount that is dead.
func (p *player) closeAll() {
	for _, h := range p.handles {
		_ = unix.Close(h.fd)
	}
	p.handles = nil
}

// claim and hold take names and content for this worker alone; w.mu is held, as
// in all that draws.
func (p *player) claim(paths ...string) bool {
	if !p.w.claim(paths...) {
		return false
	}
	p.claims = append(p.claims, paths...)
	return true
}

func (p *player) hold(n *node) bool {
	if n.busy {
		return false
	}
	n.busy = true
	p.busy = append(p.busy, n)
	return true
}

// takes has both of an existing file.
func (p *player) takes(n *node) bool { return n != nil && !n.busy && p.claim(n.path()) && p.hold(n) }

func isFile(n *node) bool { return n.kind == file }
func isDir(n *node) bool  { return n.kind == dir }
func isAny(*node) bool    { return true }

func (p *player) any(is func(*node) bool) *node {
	all := p.w.root.all(is)
	if len(all) == 0 {
		return nil
	}
	return all[p.rng.IntN(len(all))]
}

func (p *player) anyDir() *node {
	return pick(p.rng, append(p.w.root.all(isDir), p.w.root, p.w.root)...)
}

func (p *player) newName() string {
	name := fmt.Sprintf("%c%d", 'a'+p.rng.IntN(6), p.rng.IntN(4))
	switch p.rng.IntN(12) {
	case 0:
		return name + "~"
	case 1:
		return "." + name + ".swp"
	}
	return name
}

func (p *player) size() int {
	switch k := p.rng.IntN(20); {
	case k == 0 && p.w.large > 0 && p.w.small == nil:
		p.w.large--
		return largeSize + p.rng.IntN(1<<20)
	case k < 3 && p.w.large > 0 && p.w.small != nil:
		p.w.large--
		return int(p.w.small.spool/2) + p.rng.IntN(int(p.w.small.spool))
	case k < 9:
		return p.rng.IntN(4000)
	case k < 17:
		return p.rng.IntN(60_000)
	}
	return p.rng.IntN(maxWrite)
}

// draw chooses what to do and takes what it needs; nil: it was not to be had.
func (p *player) draw() func() {
	if len(p.w.root.all(isFile)) > maxFiles && p.rng.IntN(2) == 0 {
		return p.drawRemove()
	}
	choices := []struct {
		weight int
		draw   func() func()
	}{
		{14, p.drawSave}, {8, p.drawPatch}, {8, p.drawKeepOpen}, {16, p.drawHandle}, {8, p.drawEditor}, {4, p.drawBackup},
		{12, p.drawRename}, {5, p.drawExchange}, {5, p.drawMoveDir}, {8, p.drawRemove}, {5, p.drawMake}, {8, p.drawSet}, {4, p.drawLook},
	}
	total := 0
	for _, c := range choices {
		total += c.weight
	}
	k := p.rng.IntN(total)
	for _, c := range choices {
		if k -= c.weight; k < 0 {
			return c.draw()
		}
	}
	return nil
}

// target is a claimed place for a file: one that is there, or a new name.
func (p *player) target() (in *node, name string, n *node, ok bool) {
	if p.rng.IntN(2) == 0 {
		if n = p.any(isFile); p.takes(n) {
			return n.parent, n.name, n, true
		}
	}
	in, name = p.anyDir(), p.newName()
	n = in.kids[name]
	switch {
	case n != nil && n.kind != file:
		return nil, "", nil, false
	case n != nil:
		return in, name, n, p.takes(n)
	}
	return in, name, nil, p.claim(path.Join(in.path(), name))
}

// begin opens what target has found, emptied.
func (p *player) begin(in *node, name string, n *node) *handle {
	if n != nil {
		return p.open(n, unix.O_WRONLY|unix.O_TRUNC)
	}
	return p.create(in, name, unix.O_WRONLY, pick(p.rng, uint32(0o644), 0o600))
}

func (p *player) drawSave() func() {
	in, name, n, ok := p.target()
	size, synced := p.size(), p.rng.IntN(4) == 0
	if !ok {
		return nil
	}
	return func() { p.save(p.begin(in, name, n), size, synced) }
}

// save writes, perhaps syncs, and closes.
func (p *player) save(h *handle, size int, synced bool) bool {
	if h == nil {
		return false
	}
	ok := p.fill(h, size) && (!synced || p.fsync(h))
	return p.finish(h, ok)
}

// finish closes, or leaves that to closeAll where the mount is dead.
func (p *player) finish(h *handle, ok bool) bool {
	if ok {
		return p.close(h)
	}
	p.handles = append(p.handles, h)
	return false
}

func (p *player) drawPatch() func() {
	n := p.any(isFile)
	if !p.takes(n) || len(n.content.now()) > 1<<20 && p.rng.IntN(4) > 0 {
		return nil
	}
	at, size, synced := len(n.content.now()), 1+p.rng.IntN(20_000), p.rng.IntN(4) == 0
	if p.rng.IntN(2) == 0 { // else it is appended
		at = p.rng.IntN(at + 1000)
	}
	return func() {
		if h := p.open(n, unix.O_RDWR); h != nil {
			p.finish(h, p.patch(h, at, size) && (!synced || p.fsync(h)))
		}
	}
}

// drawKeepOpen writes, syncs, and leaves the file open.
func (p *player) drawKeepOpen() func() {
	if len(p.handles) >= maxOpen {
		return nil
	}
	in, name, n, ok := p.target()
	if !ok {
		return nil
	}
	size, synced := p.size(), p.rng.IntN(5) > 0
	return func() {
		if h := p.begin(in, name, n); h != nil {
			p.handles = append(p.handles, h)
			_ = p.fill(h, size) && synced && p.fsync(h)
		}
	}
}

// drawHandle goes on with a file that was left open.
func (p *player) drawHandle() func() {
	if len(p.handles) == 0 {
		return nil
	}
	i := p.rng.IntN(len(p.handles))
	h := p.handles[i]
	if !p.hold(h.n) {
		return nil
	}
	at, size := p.rng.IntN(len(h.n.content.now())+1000), 1+p.rng.IntN(20_000)
	switch p.rng.IntN(6) {
	case 5:
		return func() { _ = p.resize(h, at) && p.patch(h, p.rng.IntN(at+1000), size) }
	case 0, 1:
		return func() { p.patch(h, at, size) }
	case 2:
		return func() { _ = p.patch(h, at, size) && p.fsync(h) }
	case 3:
		return func() { p.fsync(h) }
	}
	p.handles = append(p.handles[:i:i], p.handles[i+1:]...)
	return func() { p.close(h) }
}

// drawEditor saves as editors do: a temporary file, synced, renamed over the file.
func (p *player) drawEditor() func() {
	in, name, n, ok := p.target()
	if !ok {
		return nil
	}
	temp := pick(p.rng, name+"~", "."+name+".swp", name+"-new")
	if in.kids[temp] != nil || !p.claim(path.Join(in.path(), temp)) {
		return nil
	}
	size, synced, early := p.size(), p.rng.IntN(3) > 0, p.rng.IntN(4) == 0
	return func() {
		h := p.create(in, temp, unix.O_WRONLY, 0o600)
		if h == nil {
			return
		}
		if early { // renamed while it is open
			ok := p.fill(h, size) && (!synced || p.fsync(h)) && p.rename(h.n, in, name, 0)
			p.finish(h, ok)
			return
		}
		if p.save(h, size, synced) {
			p.rename(h.n, in, name, 0)
		}
		_ = n
	}
}

// drawBackup saves as others do: the old file is renamed out of the way first.
func (p *player) drawBackup() func() {
	n := p.any(isFile)
	if !p.takes(n) {
		return nil
	}
	in, name := n.parent, n.name
	backup := name + "~"
	if b := in.kids[backup]; b != nil && b.kind != file || !p.claim(path.Join(in.path(), backup)) {
		return nil
	}
	size, away := p.size(), p.rng.IntN(2) == 0
	return func() {
		if !p.rename(n, in, backup, 0) || !p.save(p.create(in, name, unix.O_WRONLY, 0o644), size, true) {
			return
		}
		if away {
			p.remove(n)
		}
	}
}

func (p *player) drawRename() func() {
	n, to, name := p.any(func(n *node) bool { return n.kind != dir }), p.anyDir(), p.newName()
	if n == nil {
		return nil
	}
	if over := p.any(isFile); over != nil && over != n && p.rng.IntN(3) == 0 {
		to, name = over.parent, over.name
	}
	target := to.kids[name]
	if target == n || target != nil && target.kind == dir || !p.claim(n.path(), path.Join(to.path(), name)) {
		return nil
	}
	flags := uint(0)
	if target == nil && p.rng.IntN(2) == 0 {
		flags = unix.RENAME_NOREPLACE
	}
	return func() { p.rename(n, to, name, flags) }
}

func (p *player) drawExchange() func() {
	a, b := p.any(isAny), p.any(isAny)
	if a == nil || a == b || within(a.path(), b.path()) || within(b.path(), a.path()) || !p.claim(a.path(), b.path()) {
		return nil
	}
	return func() { p.exchange(a, b) }
}

func (p *player) drawMoveDir() func() {
	n, to, name := p.any(isDir), p.anyDir(), p.newDirName()
	if n == nil || within(to.path(), n.path()) {
		return nil
	}
	if t := to.kids[name]; t != nil && (t == n || t.kind != dir || len(t.kids) > 0) || !p.claim(n.path(), path.Join(to.path(), name)) {
		return nil
	}
	return func() { p.rename(n, to, name, 0) }
}

func (p *player) newDirName() string {
	name := fmt.Sprintf("d%d", p.rng.IntN(6))
	if p.rng.IntN(15) == 0 {
		name += "~"
	}
	return name
}

func (p *player) drawRemove() func() {
	n := p.any(func(n *node) bool { return n.kind != dir || len(n.kids) == 0 })
	if n == nil || n.kind == dir && p.rng.IntN(3) > 0 || !p.claim(n.path()) {
		return nil
	}
	return func() { p.remove(n) }
}

func (p *player) drawMake() func() {
	in := p.anyDir()
	name, target := p.newDirName(), ""
	if p.rng.IntN(3) == 0 {
		name, target = p.newName(), fmt.Sprintf("../to/%d", p.rng.IntN(1000))
	} else if len(p.w.root.all(isDir)) >= maxDirs {
		return nil
	}
	if in.kids[name] != nil || strings.Count(in.path(), "/") > 2 || !p.claim(path.Join(in.path(), name)) {
		return nil
	}
	return func() { p.make(in, name, target, pick(p.rng, uint32(0o755), 0o700)) }
}

// drawSet changes an attribute, and mostly syncs that.
func (p *player) drawSet() func() {
	n := p.any(func(n *node) bool { return n.kind != link })
	if !p.takes(n) {
		return nil
	}
	twice, synced := p.rng.IntN(2) == 0, p.rng.IntN(3) > 0
	return func() {
		if !p.set(n) || twice && !p.set(n) || !synced {
			return
		}
		if h := p.open(n, unix.O_RDONLY); h != nil {
			// A refusal leaves open only what can be written later.
			p.finish(h, p.fsync(h) || !p.w.killed.Load())
		}
	}
}

func (p *player) drawLook() func() {
	n := p.any(isFile)
	if !p.takes(n) {
		return nil
	}
	return func() { p.look(n) }
}

func newPlayer(w *world, id, round int) *player {
	return &player{w: w, id: id, rng: rand.New(rand.NewPCG(w.seed, uint64(1+round*100+id)))}
}
