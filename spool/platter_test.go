package spool

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// platter is the real system, and remembers what of it a power failure may take
// back: all that no sync has covered. Of each sector of a file it may leave any of
// the contents that it had since the last sync, of the file's end, too, and of each
// name whatever it led to since the folder was synced; one knows nothing of the
// other, so that writes are dropped, torn and reordered.
type platter struct {
	realSystem
	mu    sync.Mutex
	dir   string
	names map[string][]*inode // by path: what it led to since the last sync of the folder, nil: nothing
	files map[*os.File]*inode
	// before is called before each call that changes something or syncs it.
	before func(tag string)
}

// inode is the contents of a file since its last sync, the oldest first.
type inode struct{ states [][]byte }

func (n *inode) now() []byte { return n.states[len(n.states)-1] }

func newPlatter(dir string) *platter {
	return &platter{dir: dir, names: map[string][]*inode{}, files: map[*os.File]*inode{}}
}

// change notes what a call has made of a file.
func (p *platter) change(f *os.File, err error, make func(old []byte) []byte) {
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.files[f]
	n.states = append(n.states, make(n.now()))
}

// lead notes what a name leads to from now on; mu is held.
func (p *platter) lead(path string, to *inode) {
	if p.names[path] == nil {
		p.names[path] = []*inode{nil}
	}
	p.names[path] = append(p.names[path], to)
}

// watch has f called before each call that changes something or syncs it.
func (p *platter) watch(f func(tag string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before = f
}

func (p *platter) at(path string) *inode {
	if all := p.names[path]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

func (p *platter) soon(tag string) {
	p.mu.Lock()
	before := p.before
	p.mu.Unlock()
	if before != nil {
		before(tag)
	}
}

func (p *platter) open(tag, path string, flag int) (*os.File, error) {
	if flag&os.O_CREATE != 0 {
		p.soon(tag)
	}
	f, err := p.realSystem.open(tag, path, flag)
	if err != nil {
		return f, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.at(path)
	if n == nil {
		n = &inode{states: [][]byte{nil}}
		p.lead(path, n)
	}
	if flag&os.O_TRUNC != 0 {
		n.states = append(n.states, nil)
	}
	p.files[f] = n
	return f, nil
}

func (p *platter) pwrite(tag string, f *os.File, b []byte, off int64) (int, error) {
	p.soon(tag)
	n, err := p.realSystem.pwrite(tag, f, b, off)
	p.change(f, err, func(old []byte) []byte {
		text := make([]byte, max(len(old), int(off)+len(b)))
		copy(text, old)
		copy(text[off:], b)
		return text
	})
	return n, err
}

func (p *platter) truncate(tag string, f *os.File, size int64) error {
	p.soon(tag)
	err := p.realSystem.truncate(tag, f, size)
	p.change(f, err, func(old []byte) []byte {
		text := make([]byte, size)
		copy(text, old)
		return text
	})
	return err
}

func (p *platter) punch(tag string, f *os.File, off, length int64) error {
	p.soon(tag)
	err := p.realSystem.punch(tag, f, off, length)
	p.change(f, err, func(old []byte) []byte {
		text := bytes.Clone(old)
		clear(text[min(int(off), len(text)):min(int(off+length), len(text))])
		return text
	})
	return err
}

// sync makes the contents durable; the disk itself is not asked.
func (p *platter) sync(tag string, f *os.File) error {
	p.soon(tag)
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.files[f]
	n.states = [][]byte{n.now()}
	return nil
}

func (p *platter) syncDir(tag, dir string) error {
	p.soon(tag)
	p.mu.Lock()
	defer p.mu.Unlock()
	for path, all := range p.names {
		if filepath.Dir(path) == dir {
			p.names[path] = all[len(all)-1:]
		}
	}
	return nil
}

func (p *platter) rename(tag, from, to string) error {
	p.soon(tag)
	err := p.realSystem.rename(tag, from, to)
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.lead(to, p.at(from))
		p.lead(from, nil)
	}
	return err
}

func (p *platter) remove(tag, path string) error {
	p.soon(tag)
	err := p.realSystem.remove(tag, path)
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.lead(path, nil)
	}
	return err
}

// on opens a spool whose folder is on the platter.
func (p *platter) on(o Options) (*Spool, error) { return openWith(o, p) }

// has puts a file on the platter that was there before, and its name.
func (p *platter) has(t testing.TB, path string, text []byte) {
	t.Helper()
	check(t, os.WriteFile(path, text, 0o600))
	p.names[path] = []*inode{{states: [][]byte{text}}}
}

// cut makes a folder as a power failure at this instant may leave it.
func (p *platter) cut(t testing.TB, rng *rand.Rand) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "cut")
	check(t, os.MkdirAll(filepath.Join(to, journalName), 0o700))
	check(t, os.Chmod(to, 0o700))
	p.mu.Lock()
	defer p.mu.Unlock()
	for path, all := range p.names {
		n := all[rng.IntN(len(all))]
		name, err := filepath.Rel(p.dir, path)
		if err != nil || n == nil || strings.HasPrefix(name, quarantineName) {
			continue
		}
		check(t, os.WriteFile(filepath.Join(to, name), n.left(rng), 0o600))
	}
	return to
}

// left is what the disk has of a file.
func (n *inode) left(rng *rand.Rand) []byte {
	any := func() []byte { return n.states[rng.IntN(len(n.states))] }
	if rng.IntN(4) == 0 { // all of one time
		return any()
	}
	text := make([]byte, len(any()))
	span := sectorSize << rng.IntN(9) // sectors, or more that were written together
	for at := 0; at < len(text); at += span {
		if from := any(); at < len(from) {
			copy(text[at:min(at+span, len(text))], from[at:])
		}
	}
	return text
}

// TestPowerCutAnywhere cuts the power before every call of a random script: the
// file is what the last full Sync promised, or something that a Sync stored since.
func TestPowerCutAnywhere(t *testing.T) {
	cuts := 0
	for seed := range uint64(8) {
		cuts += cutAnywhere(t, seed)
	}
	if cuts < 100 {
		t.Errorf("only %d cuts", cuts)
	}
}

func cutAnywhere(t *testing.T, seed uint64) (cuts int) {
	rng := rand.New(rand.NewPCG(seed, 2))
	dir := filepath.Join(t.TempDir(), "spool")
	disk := newPlatter(dir)
	s, err := disk.on(Options{Dir: dir, MaxSize: 64 << 20})
	check(t, err)
	defer closeAll(s)
	s.dirty.max = 2
	if seed%2 == 0 {
		s.descriptors.max = 1
	}
	f := create(t, s)
	var want []byte
	var allowed [][]byte // nil: nothing was promised
	disk.watch(func(tag string) {
		if allowed == nil || rng.IntN(3) > 0 {
			return
		}
		cuts++
		after := openSpool(t, disk.cut(t, rng), 64<<20, realSystem{}).rebooted()
		defer closeAll(after)
		g, err := after.Load(f.id, testKey)
		if err != nil {
			t.Fatalf("seed %d, cut %d, before %s: %v", seed, cuts, tag, err)
		}
		got := readFile(t, g)
		if !slices.ContainsFunc(allowed, func(a []byte) bool { return bytes.Equal(a, got) }) {
			t.Fatalf("seed %d, cut %d, before %s: none of the %d contents that may be there", seed, cuts, tag, len(allowed))
		}
	})
	for range 40 {
		switch at := rng.IntN(8 * bs); rng.IntN(7) {
		case 0, 1, 2:
			p := text(rng.Uint64(), 1+rng.IntN(2*bs))
			want = append(want, make([]byte, max(0, at+len(p)-len(want)))...)
			copy(want[at:], p)
			write(t, f, p, int64(at))
		case 3:
			want = append(want, make([]byte, max(0, at-len(want)))...)[:at]
			check(t, f.Truncate(int64(at)))
		case 4:
			length := rng.IntN(3 * bs)
			clear(want[min(at, len(want)):min(at+length, len(want))])
			check(t, f.PunchHole(int64(at), int64(length)))
		default:
			fast := rng.IntN(2) == 0 && allowed != nil
			synced := bytes.Clone(want)
			if allowed != nil {
				allowed = append(allowed, synced)
			}
			check(t, f.Sync(fast))
			if !fast {
				allowed = [][]byte{synced}
			}
		}
	}
	return cuts
}

// TestPlatterTakesBack shows that what the test above relies on is so: what was not
// synced can be missing, torn and out of order, and what was synced cannot.
func TestPlatterTakesBack(t *testing.T) {
	dir := t.TempDir()
	p := newPlatter(dir)
	path := filepath.Join(dir, "a")
	f, err := p.open("", path, os.O_RDWR|os.O_CREATE)
	check(t, err)
	defer f.Close()
	put := func(letter string, off int64) {
		_, err := p.pwrite("", f, []byte(strings.Repeat(letter, 2*sectorSize)), off)
		check(t, err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	left := func() map[string]bool {
		seen := map[string]bool{}
		for range 20_000 {
			var as string
			for at, b := 0, p.at(path).left(rng); at < len(b); at += sectorSize {
				as += string(max(b[at], '0'))
			}
			seen[as] = true
		}
		return seen
	}
	there := func() (times int) {
		for range 40 {
			if _, err := os.Stat(filepath.Join(p.cut(t, rng), "a")); err == nil {
				times++
			}
		}
		return times
	}
	put("a", 0)
	check(t, p.sync("", f))
	if n := there(); n == 0 || n == 40 {
		t.Errorf("a name that was not synced is there %d times of 40", n)
	}
	check(t, p.syncDir("", dir))
	if n := there(); n != 40 {
		t.Errorf("a name that was synced is there %d times of 40", n)
	}
	put("b", 0)
	put("c", 2*sectorSize)
	seen := left()
	for _, as := range []string{"aa", "bb", "ab", "ba", "aacc", "bbcc", "ab0c"} {
		if !seen[as] {
			t.Errorf("never left: %s (of %v)", as, seen)
		}
	}
	check(t, p.sync("", f))
	if seen = left(); len(seen) != 1 || !seen["bbcc"] {
		t.Errorf("synced: %v", seen)
	}
}
