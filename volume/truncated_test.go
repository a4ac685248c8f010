package volume

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mcfs/crypt"
	"mcfs/store"
)

// gate is a store that holds parts back while it is shut.
type gate struct {
	store.Store
	mu    sync.Mutex
	open  chan struct{} // closed while parts pass
	acked int
}

func newGate(s store.Store) *gate {
	g := &gate{Store: s, open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) PutPart(ctx context.Context, up store.Upload, n int, b store.Body) (store.Part, error) {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
	case <-ctx.Done():
		return store.Part{}, ctx.Err()
	}
	p, err := g.Store.PutPart(ctx, up, n, b)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.acked++
	return p, err
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		g.open = make(chan struct{})
	default:
	}
}

// pass lets parts through, and gives those that wait the time to.
func (g *gate) pass() {
	g.mu.Lock()
	before := g.acked
	select {
	case <-g.open:
		g.mu.Unlock()
		return
	default:
		close(g.open)
	}
	g.mu.Unlock()
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
		g.mu.Lock()
		moved := g.acked > before
		before = g.acked
		g.mu.Unlock()
		if moved {
			end = time.Now().Add(5 * time.Millisecond)
		}
	}
}

// heard is a log that is searched for what must not be said.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) says(what string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Contains(h.text.String(), what)
}

const cutPart = 16 << 10

// cutter writes a file, cuts it and extends it, while its parts leave.
type cutter struct {
	*rig
	g    *gate
	name string
	h    *Handle
	want []byte
}

func newCutter(t *testing.T, mode crypt.Mode) (*cutter, *heard) {
	r := newSmallRig(t, mode)
	g, log := newGate(r.store), &heard{}
	r.o.Store, r.o.PartSize, r.o.Concurrency = g, cutPart, 2
	r.o.Log = slog.New(slog.NewTextHandler(io.MultiWriter(testWriter{t}, log), nil))
	r.open("spool-cut")
	return &cutter{rig: r, g: g}, log
}

func (c *cutter) put(t *rapid.T, off, n int) {
	p := random(n)
	if _, err := c.h.WriteAt(context.Background(), p, int64(off)); err != nil {
		t.Fatalf("write: %v", err)
	}
	c.extend(off + n)
	copy(c.want[off:], p)
}

func (c *cutter) extend(size int) {
	if more := size - len(c.want); more > 0 {
		c.want = append(c.want, make([]byte, more)...)
	}
}

func (c *cutter) resize(t *rapid.T, size int) {
	to := int64(size)
	if _, err := c.h.Node().SetAttr(context.Background(), c.h, SetAttr{Size: &to}); err != nil {
		t.Fatalf("truncate: %v", err)
	}
	c.extend(size)
	c.want = c.want[:size:size]
}

// step does one thing at random.
func (c *cutter) step(t *rapid.T) {
	size := len(c.want)
	switch what := rapid.SampledFrom([]string{"go on", "go on", "go on", "patch", "gap", "cut", "cut a little", "extend", "shut", "pass"}).Draw(t, "what"); what {
	case "go on":
		c.put(t, size, rapid.IntRange(1, 5*cutPart).Draw(t, "n"))
	case "patch":
		c.put(t, rapid.IntRange(0, size).Draw(t, "off"), rapid.IntRange(1, 1000).Draw(t, "n"))
	case "gap":
		c.put(t, size+rapid.IntRange(1, 3*cutPart).Draw(t, "gap"), 10)
	case "cut":
		c.resize(t, rapid.IntRange(0, size).Draw(t, "size"))
	case "cut a little":
		c.resize(t, rapid.IntRange(max(0, size-3*cutPart), size).Draw(t, "size"))
	case "extend":
		c.resize(t, size+rapid.IntRange(1, 6*cutPart).Draw(t, "more"))
	case "shut":
		c.g.shut()
	case "pass":
		c.g.pass()
	}
}

// TestCutWhileItsPartsLeave truncates a file down and up while its parts leave over a
// store that is slow now and then: no part is ever taken from behind the file's
// end, and the file is committed as it was written.
func TestCutWhileItsPartsLeave(t *testing.T) {
	for _, mode := range []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM} {
		t.Run(mode.String(), func(t *testing.T) { cutAtRandom(t, mode) })
	}
}

func cutAtRandom(t *testing.T, mode crypt.Mode) {
	c, log := newCutter(t, mode)
	files := map[string][]byte{}
	rapid.Check(t, func(rt *rapid.T) {
		c.name, c.want = fmt.Sprintf("file-%d", len(files)), nil
		files[c.name] = nil
		c.h = c.create(c.name, os.O_TRUNC)
		defer c.g.pass()
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			c.step(rt)
		}
		c.g.pass()
		if err := c.h.Flush(context.Background(), nil); err != nil {
			rt.Fatalf("close: %v", err)
		}
		c.h.Release()
		if log.says("parts cannot leave before close") || log.says("the store does not have an upload any more") {
			rt.Fatalf("a part was to leave that the file had not whole")
		}
		files[c.name] = c.want
	})
	c.cold()
	for name, want := range files {
		if !bytes.Equal(c.load(name), want) {
			t.Errorf("%s: content differs", name)
		}
	}
}
